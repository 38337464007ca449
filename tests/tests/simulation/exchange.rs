//! The CRM behind a URL: how it answers what is posted to it.

use std::time::Duration;

use okgate_core::crm::{CrmConnectionId, CrmInput, CrmReport, PostAnswer, PostFailure};
use serde_json::{Value, json};

use crate::crm::{Crm, Introduction, Post, Said, Todo};
use crate::crm_talk::identity;
use crate::methods;

impl Crm {
    /// Something is posted.
    pub(crate) fn take_post(&mut self, id: CrmConnectionId, name: &str, fields: &Value) {
        self.exchanges.insert(id);
        if self.chance(self.trouble) {
            let outcome = self.trouble_with_it();
            let span = Duration::from_millis(self.random.below(3000));
            return self.later(span, id, Todo::Reply(outcome, Vec::new()));
        }
        let span = Duration::from_millis(self.random.below(self.habits.sending_ms + 1));
        let (body, said) = match name {
            "whoareyou" => (self.introduction_posted(), Vec::new()),
            "getavailablemethods" => {
                let answer = json!(["availablemethods", {"methods": methods::catalogue()}]);
                (answer.to_string(), vec![Said::Declared])
            }
            "getavailableforms" => {
                let answer = json!(["availableforms", {"forms": [null, {"key": "card"}]}]);
                (answer.to_string(), Vec::new())
            }
            "executemethod" => return self.run_posted(id, fields),
            _ => (String::new(), Vec::new()),
        };
        let outcome = Ok(self.page(&body));
        self.later(span, id, Todo::Reply(outcome, said));
    }

    /// The exchange is over, unless it was given up.
    pub(crate) fn reply(
        &mut self,
        id: CrmConnectionId,
        outcome: Result<PostAnswer, PostFailure>,
        said: Vec<Said>,
    ) {
        // Late words about an exchange that was given up do no harm.
        if self.exchanges.remove(&id) || self.chance(50) {
            let what = CrmInput::Posted(outcome);
            let connection = id;
            let report = CrmReport { connection, what };
            self.posts.push(Post { report, said });
        }
    }

    fn introduction_posted(&mut self) -> String {
        let name = match self.habits.introduction {
            Introduction::AsksFirst => "whoareyou",
            Introduction::Answers | Introduction::AnswersLate => "iam",
            Introduction::Never => return String::new(),
        };
        json!([name, identity()]).to_string()
    }

    /// The first result of the method, or none in time.
    fn run_posted(&mut self, id: CrmConnectionId, fields: &Value) {
        let reaction = methods::react(fields, &mut self.random).into_iter().next();
        let answer_timeout = Duration::from_secs(20);
        let in_time = reaction.filter(|(span, ..)| *span < answer_timeout);
        if let Some((span, fields, said)) = in_time {
            let body = json!(["methodresult", fields]).to_string();
            let outcome = Ok(self.page(&body));
            self.later(span, id, Todo::Reply(outcome, vec![said]));
        } else {
            let outcome = Err(PostFailure::TimedOut("no answer".to_owned()));
            self.later(answer_timeout, id, Todo::Reply(outcome, Vec::new()));
        }
    }

    fn page(&self, json: &str) -> PostAnswer {
        PostAnswer {
            status: 200,
            body: self.text_of(json),
            ..PostAnswer::default()
        }
    }

    fn trouble_with_it(&mut self) -> Result<PostAnswer, PostFailure> {
        let status = |status| PostAnswer {
            status,
            body: b"<html>sorry</html>".to_vec(),
            ..PostAnswer::default()
        };
        match self.pick(6) {
            0 | 1 => Err(PostFailure::Unreachable("refused".to_owned())),
            2 => Err(PostFailure::TimedOut("no answer".to_owned())),
            3 => Err(PostFailure::Broken("reset".to_owned())),
            4 => Ok(status(503)),
            _ => Ok(status(200)),
        }
    }
}
