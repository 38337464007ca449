//! The exchanges of the CRM's link: posts what the hub wants posted, and reports what came of it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::rc::Rc;

use async_channel::Sender;
use futures_lite::future::or;
use okgate_core::crm::{CrmConnectionId, CrmInput, Post, PostAnswer, PostFailure};

use super::Reports;
use crate::runtime::{HttpAnswer, HttpClient, HttpClientLimits, HttpFailure, HttpTarget, spawn};

/// Posts to the CRM's URL.
pub(super) struct Poster {
    client: Rc<HttpClient>,
    reports: Reports,
    /// Closed to break an exchange off.
    under_way: UnderWay,
}

type UnderWay = Rc<RefCell<HashMap<CrmConnectionId, Sender<Infallible>>>>;

impl Poster {
    pub(super) fn new(target: HttpTarget, limits: HttpClientLimits, reports: Reports) -> Self {
        Self {
            client: Rc::new(HttpClient::new(target, limits)),
            reports,
            under_way: Rc::default(),
        }
    }

    /// Posts, and reports the end.
    pub(super) fn post(&self, id: CrmConnectionId, post: Post) {
        let (client, reports) = (Rc::clone(&self.client), self.reports.clone());
        let under_way = Rc::clone(&self.under_way);
        let (alive, given_up) = async_channel::bounded(1);
        under_way.borrow_mut().insert(id, alive);
        let exchange = async move {
            let outcome = exchange(&client, post).await;
            // From here on it is over, and nobody can give it up.
            let is_wanted = under_way.borrow_mut().remove(&id).is_some();
            is_wanted.then_some(outcome)
        };
        let given_up = async move {
            // Nobody sends: this ends when the other end is dropped.
            let _never = given_up.recv().await;
            None
        };
        spawn(async move {
            if let Some(outcome) = or(exchange, given_up).await {
                reports.tell(id, CrmInput::Posted(outcome)).await;
            }
        })
        .detach();
    }

    /// Breaks an exchange off.
    pub(super) fn abandon(&self, id: CrmConnectionId) {
        self.under_way.borrow_mut().remove(&id);
    }
}

async fn exchange(client: &HttpClient, post: Post) -> Result<PostAnswer, PostFailure> {
    let mut headers = vec![("Content-Type", "application/x-www-form-urlencoded")];
    let authorization = post.authorization.as_deref();
    headers.extend(authorization.map(|value| ("Authorization", value)));
    let answer = client.post(&headers, post.body).await;
    let HttpAnswer {
        status,
        www_authenticate,
        content_type,
        location,
        body,
    } = answer.map_err(|error| failure(&error))?;
    Ok(PostAnswer {
        status,
        challenges: www_authenticate,
        content_type,
        location,
        body,
    })
}

fn failure(failure: &HttpFailure) -> PostFailure {
    let words = failure.to_string();
    match failure {
        HttpFailure::Dial(_) | HttpFailure::Tls(_) => PostFailure::Unreachable(words),
        HttpFailure::TimedOut(_) | HttpFailure::Busy => PostFailure::TimedOut(words),
        HttpFailure::BodyTooLong(_) => PostFailure::TooBig,
        HttpFailure::Request(_)
        | HttpFailure::Closed
        | HttpFailure::Cut
        | HttpFailure::HeadTooLong(_)
        | HttpFailure::NotHttp(_)
        | HttpFailure::Failed(_) => PostFailure::Broken(words),
    }
}
