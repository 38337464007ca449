//! Owns the requests that simulated tabs make: their names, and the fields that each has beside its `qid`.

use serde::{Deserialize, Serialize};

/// A request's method: its place in the list of all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Method(u8);

/// What is known of a method.
struct Known {
    name: &'static str,
    /// Its fields as JSON without braces.
    fields: &'static str,
    /// Whether `[requests]` may name it: it changes nothing.
    is_question: bool,
}

impl Method {
    /// `ping`.
    pub const PING: Self = Self::named("ping");
    /// `getcurrentqueue`.
    pub const QUEUE: Self = Self::named("getcurrentqueue");
    /// `getuserstate`.
    pub const USER_STATE: Self = Self::named("getuserstate");
    /// `getextendedlineinfo`.
    pub const LINE_INFO: Self = Self::named("getextendedlineinfo");
    /// `getpbxnumbers`.
    pub const NUMBERS: Self = Self::named("getpbxnumbers");
    /// `getallusernumbers`.
    pub const USER_NUMBERS: Self = Self::named("getallusernumbers");
    /// `setuserstate`.
    pub const SET_STATE: Self = Self::named("setuserstate");
    /// `pbxanswercall`.
    pub const ANSWER: Self = Self::named("pbxanswercall");
    /// `pbxabortcall`.
    pub const HANG_UP: Self = Self::named("pbxabortcall");

    /// The method of this name; only for names that stand in this file.
    const fn named(name: &str) -> Self {
        let mut place = 0;
        while place < METHODS.len() {
            if is_same(METHODS[place].name.as_bytes(), name.as_bytes()) {
                #[allow(clippy::cast_possible_truncation)] // far fewer than 256
                return Self(place as u8);
            }
            place += 1;
        }
        panic!("a method that is not in the list");
    }

    /// The method of this name, if there is one.
    pub fn find(name: &str) -> Option<Self> {
        let place = METHODS.iter().position(|known| known.name == name)?;
        u8::try_from(place).ok().map(Self)
    }

    /// All methods.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).take(METHODS.len()).map(Self)
    }

    /// The names of those that `[requests]` may hold.
    pub fn questions() -> Vec<&'static str> {
        let questions = METHODS.iter().filter(|known| known.is_question);
        questions.map(|known| known.name).collect()
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        METHODS[usize::from(self.0)].name
    }

    /// The fields that it has by itself, as JSON without braces; empty if it has none.
    pub fn fields(self) -> &'static str {
        METHODS[usize::from(self.0)].fields
    }
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut place = 0;
    while place < one.len() {
        if one[place] != other[place] {
            return false;
        }
        place += 1;
    }
    true
}

const fn question(name: &'static str, fields: &'static str) -> Known {
    Known {
        name,
        fields,
        is_question: true,
    }
}

const fn act(name: &'static str) -> Known {
    Known {
        name,
        fields: "",
        is_question: false,
    }
}

const METHODS: &[Known] = &[
    question("ping", ""),
    question("getcurrentqueue", ""),
    question("getuserstate", ""),
    question("getextendedlineinfo", ""),
    question("getflashedabonentinfo", ""),
    question("getmyuserinfo", ""),
    question("getversion", r#""showalloweddbstoredprocs":1"#),
    question("cc_getlunchtypes", ""),
    question("getredirectrules", ""),
    question("getpbxcalljournal", r#""filter":{}"#),
    question("getpbxnumbers", r#""mode":"full""#),
    question("getallusernumbers", r#""fillsubordinates":true"#),
    question("getalluserphotolink", r#""mode":"page""#),
    act("setuserstate"),
    act("pbxanswercall"),
    act("pbxabortcall"),
];
