//! What comes by the HTTP interfaces: notifications, uploads, downloads, photos
//! (protocol 6.7-d, 6.7-h, 7-o, 7-p, 10-i to 10-k).

use std::fmt::Write as _;
use std::sync::Arc;

use super::files::{CopyTo, FileKind, Full, UploadTicket, UploadedFile};
use super::{Asker, NOBODY, Outcome, Refusal, answer};
use crate::base::{Refused, UserId};
use crate::hub::{AdminFault, AdminReply, Downward, Hub};
use crate::protocol::{
    Answer, DeskAnswer, DeskEvent, ErrorNumber, Event, Fault, Notification, Occurrence, PhotoLink,
    Secret, mapper_escaped,
};

/// What the admin and web addresses ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskQuestion {
    /// `POST /api/v1/notify`.
    Notify(NotifyRequest),
    /// `POST /upload`: may this password's holder upload something?
    Redeem(Secret),
    /// The upload came to its end.
    Uploaded {
        /// What the password gave.
        ticket: UploadTicket,
        /// Paths are answered without their first part (`pathmode=relative`).
        is_relative: bool,
        /// The files, or the status and words of the answer.
        end: Result<Vec<UploadedFile>, (Box<str>, Arc<str>)>,
    },
    /// `GET /download/…`: the file of this token.
    File(Secret),
    /// `GET /photo/…`.
    Photo {
        /// Whose.
        user: UserId,
        /// The link's own token.
        token: Secret,
    },
}

/// A notification for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotifyRequest {
    /// Whom to notify, by login or id.
    pub user: Box<str>,
    /// What is said.
    pub text: Box<str>,
    /// Who says it, in words.
    pub sender: Box<str>,
    /// `type`.
    pub kind: i64,
    /// `autohide`.
    pub auto_hide: bool,
    /// `backcolor`.
    pub back_color: Box<str>,
    /// `savedb`.
    pub save: bool,
}

/// What they are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeskTold {
    /// The notification is on its way.
    Notified {
        /// Its id.
        id: String,
        /// The user was not there: it waits for the next subscription.
        is_kept: bool,
    },
    /// The upload may begin.
    Ticket(UploadTicket),
    /// The upload's answer, XML.
    Uploaded(Arc<str>),
    /// A file that somebody uploaded.
    File(UploadedFile),
    /// A photo.
    Photo(Arc<[u8]>),
}

impl Hub {
    /// Answers what the HTTP interfaces ask.
    pub(in crate::hub) fn answer_desk(
        &mut self,
        question: DeskQuestion,
    ) -> Result<AdminReply, AdminFault> {
        let now = self.now.instant;
        let told = match question {
            DeskQuestion::Notify(notify) => self.notify(notify)?,
            DeskQuestion::Redeem(password) => {
                let ticket = self.desk.redeem(&password, now);
                DeskTold::Ticket(ticket.ok_or_else(wrong_password)?)
            }
            DeskQuestion::Uploaded {
                ticket,
                is_relative,
                end,
            } => DeskTold::Uploaded(self.end_upload(&ticket, is_relative, end)?),
            DeskQuestion::File(token) => {
                let file = self.desk.files.upload(token.reveal(), now);
                DeskTold::File(file.cloned().ok_or_else(nothing)?)
            }
            DeskQuestion::Photo { user, token } => {
                let photo = self.desk.files.photo(user, token.reveal());
                DeskTold::Photo(photo.ok_or_else(nothing)?)
            }
        };
        Ok(AdminReply::Desk(told))
    }

    fn notify(&mut self, notify: NotifyRequest) -> Result<DeskTold, AdminFault> {
        let bytes = notify.text.len().max(notify.sender.len());
        self.desk
            .check_text("text", bytes)
            .map_err(|refusal| admin_fault(&refusal))?;
        let user = self.desk.people.find(&notify.user);
        let user = user.ok_or_else(|| fault(404, "not_found", "no user has this login"))?;
        let id = self.random.guid();
        let what = Arc::new(DeskEvent::Notification(Notification {
            id,
            sender: notify.sender,
            text: notify.text,
            kind: notify.kind,
            at: self.stamp(),
            auto_hide: notify.auto_hide,
            back_color: notify.back_color,
            save: notify.save,
        }));
        let is_kept = !self.hears(user, what.kind());
        let crowded = self.tell_or_keep(&[user], &what).map_err(|refusal| {
            self.count_http_refusal(user, refusal.limit);
            admin_fault(&refusal)
        })?;
        for user in crowded {
            self.count_http_refusal(user, Some(Refused::KeptPerUser));
        }
        let id = id.to_string();
        Ok(DeskTold::Notified { id, is_kept })
    }

    /// Keeps what was uploaded; who asked for a copy of the answer gets it.
    fn end_upload(
        &mut self,
        ticket: &UploadTicket,
        is_relative: bool,
        end: Result<Vec<UploadedFile>, (Box<str>, Arc<str>)>,
    ) -> Result<Arc<str>, AdminFault> {
        let kept = match end {
            Ok(files) => self.keep_files(ticket, is_relative, files),
            Err((status, words)) => {
                self.copy_answer(ticket, status, Arc::clone(&words));
                self.count_http_refusal(ticket.user.id, Some(Refused::Upload));
                return Ok(words);
            }
        };
        match &kept {
            Ok(content) => self.copy_answer(ticket, "200 OK".into(), Arc::clone(content)),
            Err(full) => {
                let (status, words) = ("507 Insufficient Storage", full.message.as_str());
                self.copy_answer(ticket, status.into(), words.into());
                self.count_http_refusal(ticket.user.id, Some(Refused::FilesMax));
            }
        }
        kept
    }

    fn keep_files(
        &mut self,
        ticket: &UploadTicket,
        is_relative: bool,
        files: Vec<UploadedFile>,
    ) -> Result<Arc<str>, AdminFault> {
        let limits = self.desk.config.limits;
        let bounds = (limits.uploads_per_user, limits.files_bytes_max);
        let life = limits.upload_life;
        let until_unix = self.now.wall.unix_seconds() + life.as_secs();
        let until = (self.now.instant + life, until_unix);
        let mut content = String::from(ANSWER_HEAD);
        let _ = write!(content, "<uploadfilesresult count=\"{}\">", files.len());
        for file in files {
            let (name, size) = (mapper_escaped(&file.name), file.bytes.len());
            let owner = ticket.user.id;
            let kept = self
                .desk
                .files
                .keep(owner, file, until, bounds, &mut self.random);
            let path = kept.map_err(|Full| no_room())?;
            let path = if is_relative {
                path.trim_start_matches("/download/")
            } else {
                &path
            };
            let _ = write!(
                content,
                "<file name=\"{name}\" size=\"{size}\" path=\"{path}\"/>"
            );
        }
        content.push_str("</uploadfilesresult></data></oktellxmlmapper>");
        Ok(content.into())
    }

    /// protocol 7-o: to the one link that asked, subscribed or not.
    pub(in crate::hub) fn copy_answer(
        &mut self,
        ticket: &UploadTicket,
        response: Box<str>,
        content: Arc<str>,
    ) {
        let Some(copy_to) = ticket.copy_to else {
            return;
        };
        let event = Arc::new(Event {
            qid: self.random.guid(),
            user: Some(ticket.user.clone()),
            what: Occurrence::Desk(Arc::new(DeskEvent::HttpResponse {
                password: ticket.password.clone(),
                response,
                content,
            })),
        });
        self.events += 1;
        match copy_to {
            CopyTo::Link(link) => self.tell_shard(link, Downward::ToLink { link, event }),
            CopyTo::Crm => {
                if let Some(crm) = &mut self.crm {
                    crm.send_event(&event, self.now.instant);
                }
            }
        }
    }

    fn count_http_refusal(&mut self, user: UserId, limit: Option<Refused>) {
        if let (Some(reason), Ok(user)) = (limit, self.user_reference(user)) {
            let link = NOBODY;
            self.tell_shard(link, Downward::Refused { link, reason, user });
        }
    }

    /// protocol 6.7-d.
    pub(super) fn temp_password(&mut self, asker: Asker, user: UserId, respond: bool) -> Outcome {
        if !self.desk.config.has_web {
            let text = "there is no HTTP interface: web.listen is empty";
            return Err(Fault::new(ErrorNumber::NotAvailable, text).into());
        }
        let user = self.user_reference(user)?;
        let until = self.now.instant + self.desk.config.limits.temp_password_life;
        let random = &mut self.random;
        let files = &mut self.desk.files;
        let password = files.give_password(asker, user, respond, until, random);
        answer(DeskAnswer::TempPassword(password))
    }

    /// protocol 6.4-c: a user without a photo has empty links.
    pub(super) fn user_photo(
        &mut self,
        asker: Asker,
        user: UserId,
        whose: Option<&str>,
    ) -> Outcome {
        let user = match whose {
            None => user,
            Some(name) => self
                .user_named(asker, name)
                .ok_or_else(|| super::people::no_user("id", name))?,
        };
        let link = self.desk.files.photo_link(user);
        answer(DeskAnswer::Photo(link.unwrap_or_else(|| no_photo(user))))
    }

    /// protocol 6.4-c: users with a photo only.
    pub(in crate::hub) fn photo_links(&self) -> Answer {
        Answer::PhotoLinks(self.desk.files.photo_links())
    }

    /// protocol 6.4-d.
    pub(super) fn set_photo(&mut self, user: UserId, path: &str) -> Outcome {
        let now = self.now.instant;
        let upload = self.desk.files.own_upload(user, path, now);
        let bytes = upload.ok_or_else(|| {
            let text = "field `filepath`: no upload of yours has this path, or no longer";
            Fault::new(ErrorNumber::NotFound, text)
        })?;
        if FileKind::of(&bytes) == FileKind::Other {
            let expected = "the path of a PNG, JPEG, GIF or WebP picture";
            return Err(Fault::parameter("filepath", expected).into());
        }
        let max = self.desk.config.limits.files_bytes_max;
        let set = self
            .desk
            .files
            .set_photo(user, bytes, max, &mut self.random);
        if set == Err(Full) {
            let text = "there is no room for the photo (desk.files_bytes_max)".to_owned();
            return Err(Refusal::limit(
                Refused::FilesMax,
                ErrorNumber::TooMany,
                text,
            ));
        }
        let link = self.desk.files.photo_link(user);
        answer(DeskAnswer::Photo(link.unwrap_or_else(|| no_photo(user))))
    }
}

fn no_photo(user: UserId) -> PhotoLink {
    PhotoLink {
        id: user,
        link: "".into(),
        link_32: "".into(),
        link_96: "".into(),
    }
}

fn admin_fault(refusal: &Refusal) -> AdminFault {
    let (status, code) = match refusal.fault.number {
        ErrorNumber::TooBig => (422, "parameters"),
        _ => (429, "too_many"),
    };
    fault(status, code, &refusal.fault.text)
}

fn wrong_password() -> AdminFault {
    fault(401, "unauthorized", "temppass is wrong, used or too old")
}

fn nothing() -> AdminFault {
    fault(404, "not_found", "there is nothing here, or no longer")
}

fn no_room() -> AdminFault {
    fault(
        507,
        "full",
        "there is no room for the upload (desk.files_bytes_max)",
    )
}

fn fault(status: u16, code: &'static str, message: &str) -> AdminFault {
    AdminFault {
        status,
        code,
        message: message.to_owned(),
    }
}

const ANSWER_HEAD: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?><oktellxmlmapper version=\"80710\">\
    <data name=\"result\" count=\"1\">";
