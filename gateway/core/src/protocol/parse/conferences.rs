//! The fields of methods about conferences and supervision (protocol 6.5).

use crate::base::{ConferenceId, Guid};
use crate::protocol::body::Body;
use crate::protocol::conference::{ConferenceRequest, GhostMode, NewConference};
use crate::protocol::fault::Fault;
use crate::protocol::request::UserRequest;

pub(super) fn create(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let room = body.object("conference")?;
    let field = |name| -> Result<Box<str>, Fault> {
        let text = room.map_or(Ok(None), |room| room.text(name))?;
        Ok(text.map(|text| text.trim().into()).unwrap_or_default())
    };
    let id = room.map_or(Ok(None), |room| room.guid("id"))?;
    let everyone = room.map_or(Ok(None), |room| room.boolean("everyonecaninvite"))?;
    Ok(request(ConferenceRequest::Create(NewConference {
        id: id.filter(|id| !id.is_zero()).map(ConferenceId),
        room: field("room")?,
        name: field("name")?,
        description: field("description")?,
        everyone_can_invite: everyone.unwrap_or(false),
        competitors: competitor_list(body)?,
    })))
}

pub(super) fn invite(body: &Body<'_>) -> Result<UserRequest, Fault> {
    Ok(request(ConferenceRequest::Invite {
        conference: conference_id(body)?,
        competitors: competitor_list(body)?,
    }))
}

/// For `conferenceid: false` libraries want a failure (protocol 6.5).
pub(super) fn info(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let is_none = body.boolean("conferenceid") == Ok(Some(false));
    let id = if is_none { None } else { conference_id(body)? };
    Ok(request(ConferenceRequest::Info(id)))
}

pub(super) fn competitors(body: &Body<'_>) -> Result<UserRequest, Fault> {
    Ok(request(ConferenceRequest::Competitors(conference_id(
        body,
    )?)))
}

pub(super) fn disconnect(body: &Body<'_>) -> Result<UserRequest, Fault> {
    Ok(request(ConferenceRequest::Disconnect {
        conference: conference_id(body)?,
        competitor: competitor_id(body)?,
    }))
}

pub(super) fn handle_events(body: &Body<'_>) -> Result<UserRequest, Fault> {
    match body.text("eventtype")?.as_deref() {
        None | Some("" | "competitors") => {}
        Some(_) => return Err(Fault::parameter("eventtype", "competitors")),
    }
    Ok(request(ConferenceRequest::HandleEvents {
        conference: conference_id(body)?,
        handle: body.boolean("handle")?.unwrap_or(true),
    }))
}

pub(super) fn attach_as_ghost(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let whom = body.required_text("ghostedid")?;
    Ok(request(ConferenceRequest::AttachAsGhost(
        whom.trim().into(),
    )))
}

pub(super) fn ghost_mode(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let mode = match &*body.required_text("ghostmode")? {
        "monitor" => GhostMode::Monitor,
        "help" => GhostMode::Help,
        "conference" => GhostMode::Conference,
        _ => {
            let expected = "monitor, help or conference";
            return Err(Fault::parameter("ghostmode", expected));
        }
    };
    let conference = conference_id(body)?;
    Ok(request(ConferenceRequest::GhostMode { conference, mode }))
}

/// `ghosthelp` of the supervised: whether that one hears the supervisor.
pub(super) fn voice_params(body: &Body<'_>) -> Result<UserRequest, Fault> {
    let competitor = body.object("competitor")?;
    let help = competitor.map_or(Ok(None), |it| it.boolean("ghosthelp"))?;
    let mode = match help {
        Some(true) => GhostMode::Help,
        Some(false) => GhostMode::Monitor,
        None => return Err(Fault::parameter("competitor", "an object with ghosthelp")),
    };
    let conference = conference_id(body)?;
    Ok(request(ConferenceRequest::GhostMode { conference, mode }))
}

fn request(conference: ConferenceRequest) -> UserRequest {
    UserRequest::Conference(Box::new(conference))
}

fn conference_id(body: &Body<'_>) -> Result<Option<ConferenceId>, Fault> {
    let id = body.guid("conferenceid")?.filter(|id| !id.is_zero());
    Ok(id.map(ConferenceId))
}

fn competitor_id(body: &Body<'_>) -> Result<Guid, Fault> {
    let competitor = body.object("competitor")?;
    let id = competitor.map_or(Ok(None), |it| it.guid("competitorid"))?;
    id.ok_or_else(|| Fault::parameter("competitor", "an object with the competitorid"))
}

/// Each names somebody by one of several fields.
fn competitor_list(body: &Body<'_>) -> Result<Vec<Box<str>>, Fault> {
    let mut list = Vec::new();
    for competitor in body.objects("competitors")? {
        let mut named = None;
        for field in ["userid", "userlogin", "number", "intnumber"] {
            let text = competitor.text(field)?;
            named = named.or(text.filter(|text| !text.trim().is_empty()));
        }
        let named = named.ok_or_else(|| {
            let expected = "objects with a userid, a userlogin or a number";
            Fault::parameter("competitors", expected)
        })?;
        list.push(named.trim().into());
    }
    Ok(list)
}
