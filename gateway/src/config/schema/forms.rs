//! `[forms]` and `[[form_rules]]`: forms of the CRM, and what opens them.

use super::{Fallback, Key, Kind, Section, choice, integer, limit};

pub(super) static FORMS: Section = Section {
    name: "forms",
    repeated: false,
    about: "Bounds on forms that are open at users.",
    planned: &[],
    keys: &[
        Key::new(
            "windows_max",
            limit(1, 100_000),
            Fallback::Integer(2000),
            "Forms that may be open at a time; one more is refused with 429. So many ends of forms are kept, too. 0 means none.",
        ),
        Key::new(
            "windows_per_user",
            limit(1, 1000),
            Fallback::Integer(20),
            "Forms of one user that may be open at a time; the oldest is closed for one more. 0 means none.",
        ),
        Key::new(
            "window_life_s",
            integer(10, 604_800),
            Fallback::Integer(28_800),
            "A form that nobody answers is closed after this time.",
        ),
        Key::new(
            "result_life_s",
            integer(1, 86_400),
            Fallback::Integer(600),
            "How long the values of a form are kept for a scenario that asks for them.",
        ),
        Key::new(
            "values_bytes_max",
            limit(256, 131_072),
            Fallback::Integer(16_384),
            "A form's parameters, and its values, as JSON; longer ones are refused with 413. 0 means none.",
        ),
    ],
};

pub(super) static FORM_RULES: Section = Section {
    name: "form_rules",
    repeated: true,
    about: "One rule that opens a form of the CRM at a user when something happens to the user.",
    planned: &[],
    keys: &[
        Key::new(
            "event",
            choice(
                &[
                    "phoneevent_ringstarted",
                    "phoneevent_ringstopped",
                    "phoneevent_commstarted",
                    "phoneevent_commstopped",
                    "phoneevent_acmcallstarted",
                    "phoneevent_acmcallstopped",
                    "phoneevent_ivrstarted",
                    "phoneevent_ivrstopped",
                    "phoneevent_faxstarted",
                    "phoneevent_faxstopped",
                    "phoneevent_faxreceived",
                    "customevent",
                ],
                &[],
            ),
            Fallback::Required,
            "The event of the user; a customevent only if it names the user. No driver of this version knows of faxes.",
        )
        .like("\"phoneevent_ringstarted\""),
        Key::new(
            "when",
            Kind::Texts,
            Fallback::Texts(&[]),
            "Conditions, all of which must hold, each a text: FIELD = VALUE, FIELD != VALUE, FIELD in VALUE, VALUE…, FIELD starts VALUE, VALUE… (begins with one of them), or with not before in and starts. Fields are those of the event, and event, chainid, userid, userlogin, username, usernumber; of a customevent also eventparam.NAME. Case does not matter; what an event does not say is empty. Example: [\"isextline = true\", \"callerid starts 7495, 7499\"].",
        ),
        Key::new(
            "form",
            Kind::Text,
            Fallback::Required,
            "The form's key, as the CRM declares it.",
        )
        .like("\"callercard\""),
        Key::new(
            "parameters",
            Kind::TextTable,
            Fallback::Absent("none"),
            "The form's input parameters. In their texts {callerid} and the like stand for fields (those that conditions have), {method.NAME} for an output of the method; {{ and }} are braces. A parameter that comes to nothing is left out.",
        )
        .like("{ callerid = \"{callerid}\", name = \"{method.name}\" }"),
        Key::new(
            "close",
            choice(&["call_end", "talk_end", "never"], &[]),
            Fallback::Text("call_end"),
            "When the form is closed if nobody answers it: when the user is no longer in the call, already with the user's next talk that ends (also by a hold), or never.",
        ),
        Key::new(
            "method",
            Kind::Text,
            Fallback::Absent("none is asked"),
            "A dynamic method of the CRM that is asked first.",
        )
        .like("\"getcustomer\""),
        Key::new(
            "method_parameters",
            Kind::TextTable,
            Fallback::Absent("none"),
            "The method's input parameters, with placeholders as in parameters.",
        )
        .like("{ callerid = \"{callerid}\" }"),
        Key::new(
            "method_wait_ms",
            integer(1, 10_000),
            Fallback::Integer(300),
            "The form opens after this time at the latest, with or without the method's answer. The phone rings at once in any case.",
        ),
    ],
};
