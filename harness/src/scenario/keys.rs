//! Owns the list of all keys of a scenario's file, section by section, with their bounds.

use super::schema::Form::{self, Choice, Flag, Number, Table, Text, Times, Whole};
use super::schema::{Key, Section};

/// Everything that a file may hold.
pub const SECTIONS: &[Section] = &[
    Section {
        name: "",
        keys: &[
            key("name", Text(None), "required", "what reports call the run"),
            key(
                "description",
                Text(Some("")),
                "",
                "what the scenario is for, in a sentence",
            ),
            key(
                "seed",
                Whole(0, SEED_MAX, Some(1)),
                "",
                "what all chances are drawn from; `--seed` goes before it",
            ),
            key(
                "target",
                Table("section `[target]`"),
                "a gateway is started",
                "a server that runs already",
            ),
            key(
                "gateway",
                Table("section `[gateway]`"),
                "the gateway as it comes",
                "the gateway that the harness starts; not beside `[target]`",
            ),
            key(
                "users",
                Table("section `[users]`"),
                "required",
                "who the tabs belong to",
            ),
            key(
                "calls",
                Table("section `[calls]`"),
                "calls as below",
                "what a simulated outside call is like",
            ),
            key(
                "requests",
                Table("section `[requests]`"),
                "`getuserstate`, `getextendedlineinfo` and `getcurrentqueue` alike",
                "which methods are asked how often: each a key, its weight the value",
            ),
            key(
                "behaviours",
                Table("sections `[[behaviours]]`"),
                "one, `idle`",
                "what tabs do; each tab has one of them, shared out by weight",
            ),
            key(
                "phases",
                Table("sections `[[phases]]`"),
                "required",
                "what happens, one after the other",
            ),
            key(
                "thresholds",
                Table("a list of texts, or sections `[[thresholds]]`"),
                "none",
                "what must hold, or the run fails",
            ),
            key(
                "harness",
                Table("section `[harness]`"),
                "as below",
                "bounds of the harness itself",
            ),
        ],
    },
    Section {
        name: "target",
        keys: &[
            key(
                "address",
                Text(None),
                "required",
                "the server's address for tabs; `--target` goes before it",
            ),
            key(
                "admin",
                Text(None),
                "no calls can be made",
                "the gateway's admin address, for simulated calls",
            ),
            key(
                "admin_token_file",
                Text(None),
                "no token",
                "a file with the admin address's token",
            ),
            key(
                "pid",
                Whole(1, PID_MAX, None),
                "nothing is measured of its process",
                "the server's process, for its memory, CPU time, descriptors and threads",
            ),
        ],
    },
    Section {
        name: "gateway",
        keys: &[
            key(
                "program",
                Text(None),
                "that of `--gateway`, of `OKGATE_BIN`, or `okgate` beside this program",
                "the gateway's program, as a path from this file's directory",
            ),
            key(
                "settings",
                Table("sections as in the gateway's settings"),
                "those of the program, without limits of rate",
                "settings beside users and addresses, e.g. `gateway.cores = 1`",
            ),
        ],
    },
    Section {
        name: "users",
        keys: &[
            key(
                "count",
                Whole(1, COUNT_MAX, None),
                "required",
                "how many users there are",
            ),
            key(
                "tabs_per_user",
                Whole(1, TABS_PER_USER_MAX, Some(1)),
                "",
                "how many tabs each has when all are there",
            ),
            key(
                "prefix",
                Text(Some("user")),
                "",
                "logins are this and a number",
            ),
            key(
                "first",
                Whole(0, COUNT_MAX, Some(1)),
                "",
                "the first user's number in the login",
            ),
            key(
                "password",
                Text(Some(crate::gateway::DEFAULT_PASSWORD)),
                "",
                "everybody's password",
            ),
            key(
                "first_number",
                Whole(1, NUMBER_MAX, Some(101)),
                "",
                "the first user's telephone number; the others follow",
            ),
        ],
    },
    Section {
        name: "calls",
        keys: &[
            key(
                "ring_ms",
                Times(CALL_MS_MAX, (100, 700)),
                "",
                "how long a phone rings",
            ),
            key(
                "talk_ms",
                Times(CALL_MS_MAX, (100, 900)),
                "",
                "how long a talk is",
            ),
            key(
                "unanswered_share",
                Number(0.0, 1.0, Some(0.2)),
                "",
                "which share of the callers hangs up while it rings",
            ),
            key(
                "pause_ms",
                Whole(100, CALL_MS_MAX, Some(3000)),
                "",
                "how long a user is left alone after a call",
            ),
        ],
    },
    Section {
        name: "behaviours",
        keys: &[
            key(
                "kind",
                Choice(
                    &[
                        "idle",
                        "busy_operator",
                        "supervisor",
                        "slow_reader",
                        "reloading",
                        "flapping",
                    ],
                    None,
                ),
                "required",
                "what the tab is like",
            ),
            key("name", Text(None), "the kind", "what reports call it"),
            key(
                "weight",
                Number(0.0, WEIGHT_MAX, Some(1.0)),
                "",
                "its share of the tabs, beside the other weights",
            ),
            key(
                "ping_s",
                Number(0.0, SECONDS_MAX, Some(15.0)),
                "",
                "how often it sends `ping`; 0: never",
            ),
            key(
                "queue_s",
                Number(0.0, SECONDS_MAX, Some(5.0)),
                "",
                "how often it asks `getcurrentqueue`; 0: never",
            ),
            key(
                "number_states",
                Flag(Some(true)),
                "",
                "whether it is told of all numbers' states",
            ),
            key(
                "opening",
                Choice(&["full", "short"], Some("full")),
                "",
                "all that a browser library asks at first, or the login and the subscriptions alone",
            ),
            key(
                "think_ms",
                Whole(10, CALL_MS_MAX, Some(3000)),
                "",
                "`busy_operator`: how long it thinks between requests of `[requests]`, on average",
            ),
            key(
                "follows",
                Flag(Some(true)),
                "",
                "`busy_operator`: asks `getextendedlineinfo` after each change of its line",
            ),
            key(
                "answers",
                Flag(Some(true)),
                "",
                "`busy_operator`: if it is its user's first tab, answers calls by `pbxanswercall` and ends them by `pbxabortcall`",
            ),
            key(
                "break_every_s",
                Number(0.0, SECONDS_MAX, Some(0.0)),
                "",
                "`busy_operator`: how often its user's first tab goes on a break, or comes back from it; 0: never",
            ),
            key(
                "refresh_s",
                Number(0.0, SECONDS_MAX, Some(60.0)),
                "",
                "`supervisor`: how often it reads the lists of all numbers and users again; 0: never",
            ),
            key(
                "receive_buffer_bytes",
                Whole(1024, 1 << 20, Some(4096)),
                "",
                "`slow_reader`: the size of its socket's buffer",
            ),
            key(
                "read_bytes",
                Whole(1, 1 << 20, Some(512)),
                "",
                "`slow_reader`: how much it reads at a time",
            ),
            key(
                "read_every_ms",
                Whole(1, CALL_MS_MAX, Some(1000)),
                "",
                "`slow_reader`: how long it waits before it reads again",
            ),
            key(
                "reload_every_s",
                Number(0.1, SECONDS_MAX, Some(60.0)),
                "",
                "`reloading`: how often it closes as a browser does and comes back with its session",
            ),
            key(
                "away_ms",
                Whole(0, CALL_MS_MAX, Some(300)),
                "",
                "`reloading`: how long the page takes to load",
            ),
            key(
                "drop_every_s",
                Number(0.1, SECONDS_MAX, Some(60.0)),
                "",
                "`flapping`: how often its network drops the connection, without a close frame",
            ),
            key(
                "back_off_ms",
                Whole(1, CALL_MS_MAX, Some(500)),
                "",
                "bound of the first wait before a lost link is tried again; it doubles up to 30 s",
            ),
        ],
    },
    Section {
        name: "phases",
        keys: &[
            key(
                "kind",
                Choice(&["warm_up", "ramp", "hold", "spike", "soak"], None),
                "required",
                "how tabs and rates get to their values, see below",
            ),
            key(
                "name",
                Text(None),
                "the kind",
                "what reports and thresholds call it",
            ),
            key(
                "seconds",
                Number(0.1, SECONDS_MAX, None),
                "required",
                "how long it is",
            ),
            key(
                "tabs",
                Whole(0, COUNT_MAX, None),
                "as many as before",
                "how many tabs there are in the end (`spike`: all the time)",
            ),
            key(
                "calls_per_s",
                Number(0.0, RATE_MAX, None),
                "as before",
                "open arrivals: how many outside calls begin in a second",
            ),
            key(
                "requests_per_s",
                Number(0.0, RATE_MAX, None),
                "as before",
                "open arrivals: how many requests of `[requests]` random tabs make in a second, in all",
            ),
            key(
                "calls_at_once",
                Whole(0, COUNT_MAX, None),
                "none",
                "closed arrivals: how many calls go on at a time; where one ends the next begins",
            ),
            key(
                "requests_at_once",
                Whole(0, IN_FLIGHT_MAX, None),
                "none",
                "closed arrivals: how many requests each tab has in flight; an answer is followed by the next request",
            ),
            key(
                "think_ms",
                Whole(0, CALL_MS_MAX, Some(0)),
                "",
                "closed arrivals: how long a tab waits between an answer and its next request",
            ),
            key(
                "arrival",
                Table("`\"open\"`, `\"closed\"`, or a table of the keys below"),
                "`\"open\"`",
                "whether things happen when they are due (open), or when the server is done with those before (closed)",
            ),
            key(
                "measured",
                Flag(None),
                "`true`, for a `warm_up` `false`",
                "whether its figures count",
            ),
        ],
    },
    Section {
        name: "phases.arrival",
        keys: &[
            key(
                "model",
                Choice(&["open", "closed"], Some("open")),
                "",
                "as above",
            ),
            key(
                "spacing",
                Choice(&["poisson", "even"], Some("poisson")),
                "",
                "open: by chance from the seed, as independent people come, or all at the same distance",
            ),
            key(
                "in_flight",
                Whole(1, IN_FLIGHT_MAX, Some(1)),
                "",
                "open: how many such requests a tab has in flight; one that is due meanwhile waits, and its wait counts in the response time",
            ),
            key(
                "outstanding_max",
                Whole(1, COUNT_MAX, Some(10_000)),
                "",
                "open: how many tabs, calls and requests, of each kind, may be due and not done; what is more is an error `not_sent`",
            ),
            key(
                "opening_at_once",
                Whole(1, COUNT_MAX, Some(128)),
                "",
                "closed: how many tabs come in at a time",
            ),
        ],
    },
    Section {
        name: "thresholds",
        keys: &[
            key(
                "expression",
                Text(None),
                "required",
                "what must hold, see below",
            ),
            key(
                "abort",
                Flag(Some(false)),
                "",
                "whether its failing ends the run at once, with exit code 99",
            ),
            key(
                "from_s",
                Number(0.0, SECONDS_MAX, Some(0.0)),
                "",
                "`abort`: from which second of the run on it is looked at",
            ),
        ],
    },
    Section {
        name: "harness",
        keys: &[
            key(
                "workers",
                Whole(1, 256, None),
                "one for 18000 tabs",
                "how many processes the tabs are divided among, user by user",
            ),
            key(
                "lag_p99_max_ms",
                Number(0.0, 60_000.0, Some(40.0)),
                "",
                "the run tells nothing if a worker's timers were later than this in one of a hundred times",
            ),
            key(
                "cpu_share_max",
                Number(0.0, 1.0, Some(0.9)),
                "",
                "the run tells nothing if a process of the harness used more of a processor than this in a measured phase",
            ),
            key(
                "answer_max_s",
                Number(0.1, 600.0, Some(30.0)),
                "",
                "a request without an answer after so long is an error `no_answer`",
            ),
        ],
    },
];

const fn key(name: &'static str, form: Form, without: &'static str, about: &'static str) -> Key {
    Key {
        name,
        form,
        without,
        about,
    }
}

/// TOML's whole numbers end here.
const SEED_MAX: u64 = i64::MAX as u64;
const PID_MAX: u64 = 1 << 22;
const COUNT_MAX: u64 = 1_000_000;
const TABS_PER_USER_MAX: u64 = 1000;
const NUMBER_MAX: u64 = 1_000_000_000;
const CALL_MS_MAX: u64 = 99_999;
const WEIGHT_MAX: f64 = 1e6;
const SECONDS_MAX: f64 = 604_800.0;
const RATE_MAX: f64 = 1e6;
const IN_FLIGHT_MAX: u64 = 10_000;
