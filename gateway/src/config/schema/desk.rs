//! `[desk]` and `[[procedures]]`.

use super::{Fallback, Key, Kind, Section, choice, integer, limit};

pub(super) static DESK: Section = Section {
    name: "desk",
    repeated: false,
    about: "What users say and ask beside calls: custom events, texts, notifications, group chats,\nprocedures, uploads and photos. All of it is kept in memory and gone at the end, but for uploads and photos with gateway.data_dir.\nA limit of 0 means none.",
    planned: &[],
    keys: &[
        Key::new(
            "utc_offset",
            Kind::UtcOffset,
            Fallback::Text("+00:00"),
            "The local time that texts and notifications are stamped with, as an offset from UTC.",
        ),
        Key::new(
            "text_bytes_max",
            integer(256, 32_768),
            Fallback::Integer(16_384),
            "The longest text, notification or event parameter; a longer one is answered with error 413. It has to find room in clients.queue_bytes_max with every character escaped.",
        ),
        Key::new(
            "recipients_max",
            limit(1, 100_000),
            Fallback::Integer(1000),
            "Users that one message may name; more are answered with error 413.",
        ),
        Key::new(
            "broadcasts_per_s",
            limit(1, 1000),
            Fallback::Integer(5),
            "Custom events without recipients, which all subscribers are told, that one user may trigger a second for long, and four times as many at once; beyond it they are answered with error 429.",
        ),
        Key::new(
            "kept_per_user",
            limit(1, 10_000),
            Fallback::Integer(100),
            "Texts and notifications kept for a user who is not there; the oldest goes first.",
        ),
        Key::new(
            "kept_bytes_per_user",
            integer(4096, 1 << 20),
            Fallback::Integer(64 << 10),
            "The same in bytes. They are delivered all at once, and so have to find room in clients.queue_bytes_max.",
        ),
        Key::new(
            "kept_bytes_max",
            limit(64 << 10, 1 << 40),
            Fallback::Integer(32 << 20),
            "Bytes of all texts and notifications kept for users who are not there; one more is answered with error 429, and nobody gets it.",
        ),
        Key::new(
            "chats_max",
            limit(1, 1_000_000),
            Fallback::Integer(1000),
            "Group chats at a time; one more is answered with error 429.",
        ),
        Key::new(
            "chats_per_user",
            limit(1, 10_000),
            Fallback::Integer(100),
            "Group chats that one user is in; one more is answered with error 429.",
        ),
        Key::new(
            "chat_members_max",
            integer(2, 1000),
            Fallback::Integer(200),
            "Members of one group chat; one more is answered with error 429. All of them stand in one event, which has to find room in clients.queue_bytes_max.",
        ),
        Key::new(
            "chat_messages_max",
            limit(1, 100_000),
            Fallback::Integer(200),
            "Messages of one group chat that can be read again; the oldest goes first.",
        ),
        Key::new(
            "chat_bytes_max",
            limit(64 << 10, 1 << 40),
            Fallback::Integer(32 << 20),
            "Bytes of all group chats' messages. A chat's own older ones go first; if there is still no room, a message is answered with error 429, and nobody gets it.",
        ),
        Key::new(
            "programs_max",
            integer(1, 256),
            Fallback::Integer(8),
            "Programs and URLs of [[procedures]] that run at a time; further ones wait, and their time runs meanwhile.",
        ),
        Key::new(
            "upload_bytes_max",
            integer(1024, 256 << 20),
            Fallback::Integer(8 << 20),
            "The greatest upload, all its files together; a greater one is answered with 413.",
        ),
        Key::new(
            "uploads_per_user",
            limit(1, 10_000),
            Fallback::Integer(20),
            "Uploaded files of one user that are kept; the oldest goes first.",
        ),
        Key::new(
            "files_bytes_max",
            integer(64 << 10, 64 << 30),
            Fallback::Integer(64 << 20),
            "Bytes of all uploaded files and photos, which are held in memory, too; an upload without room is answered with 507.",
        ),
        Key::new(
            "upload_life_s",
            integer(60, 31_536_000),
            Fallback::Integer(86_400),
            "How long an uploaded file is kept. Photos are kept for good.",
        ),
        Key::new(
            "temp_password_s",
            integer(10, 86_400),
            Fallback::Integer(300),
            "How long a temporary password for an upload can be used, once.",
        ),
    ],
};

pub(super) static PROCEDURES: Section = Section {
    name: "procedures",
    repeated: true,
    about: "One procedure (execpredefineddbstoredproc) or script (execsvcscript) that users may run.\nIts answer is either always the same (columns and rows, or value), or a program prints it, or a URL answers with it.",
    planned: &[],
    keys: &[
        Key::new(
            "name",
            Kind::Text,
            Fallback::Required,
            "Its name; unique within its kind without regard to case.",
        )
        .like("\"GetClients\""),
        Key::new(
            "kind",
            choice(&["procedure", "script"], &[]),
            Fallback::Text("procedure"),
            "A procedure answers with tables, a script with one value.",
        ),
        Key::new(
            "columns",
            Kind::Texts,
            Fallback::Texts(&[]),
            "The columns of a procedure whose answer is always the same.",
        ),
        Key::new(
            "rows",
            Kind::Rows,
            Fallback::Absent("no rows"),
            "Its rows, each as long as columns.",
        )
        .like("[[1, \"Sales\"]]"),
        Key::new(
            "value",
            Kind::Text,
            Fallback::Absent("none"),
            "The answer of a script whose answer is always the same.",
        )
        .like("\"done\""),
        Key::new(
            "command",
            Kind::Texts,
            Fallback::Texts(&[]),
            "The program and its arguments, run as they stand, never by a shell; a path starts at the settings file, a name without a slash is looked for in PATH. It reads {\"name\", \"userid\", \"userlogin\", \"inputparams\"} as JSON and prints JSON: {\"dataset\": [table…]} (each table a list of rows, the first one its columns) or {\"returnvalue\": …}, or {\"errorcode\": number, \"errormsg\": text}. Of the environment it gets PATH, HOME, LANG and TZ only.",
        ),
        Key::new(
            "url",
            Kind::Text,
            Fallback::Absent("none"),
            "The http:// URL that is asked instead of a program; every run is a connection of its own, and redirects are not followed. It answers with status 200 and what a program would print, or with the value alone as text/plain; any other status is a failure.",
        )
        .like("\"http://127.0.0.1:8080/scripts/price\""),
        Key::new(
            "method",
            choice(&["POST", "GET"], &[]),
            Fallback::Text("POST"),
            "How the URL gets the parameters: POST as the JSON that a program reads; GET in the query, each by its name, behind name, userid and userlogin.",
        ),
        Key::new(
            "timeout_s",
            integer(1, 3600),
            Fallback::Integer(30),
            "The program is killed, with all that it started in its process group, or the URL no longer waited for, when it takes longer; the request is answered with error 504.",
        ),
        Key::new(
            "output_bytes_max",
            integer(1024, 16 << 20),
            Fallback::Integer(1 << 20),
            "The program is killed when it prints more, or the URL no longer listened to; the request is answered with error 413.",
        ),
    ],
};
