//! Ids of things that the settings name but give no id.
//!
//! A number's id, and the id of a user or department without one, is the
//! version 3 UUID (RFC 9562 §5.3: MD5 over namespace and name) of its text in
//! one of the namespaces below. So the same settings give the same ids after
//! every restart and on every machine, and any tool can work them out:
//! `python3 -c 'import uuid; print(uuid.uuid3(uuid.UUID("6f6b6761-7465-4e75-8d62-657200000001"), "101"))'`.

use md5::{Digest, Md5};
use okgate_core::base::{DepartmentId, Guid, NumberId, UserId};

/// The id of the number that is dialled like this.
#[must_use]
pub fn number_id(number: &str) -> NumberId {
    NumberId(name_based(NUMBER_NAMESPACE, number))
}

/// The id of a user whose entry gives none; case does not matter in logins.
#[must_use]
pub fn user_id(login: &str) -> UserId {
    UserId(name_based(USER_NAMESPACE, &login.to_lowercase()))
}

/// The id of a department whose entry gives none.
#[must_use]
pub fn department_id(name: &str) -> DepartmentId {
    DepartmentId(name_based(DEPARTMENT_NAMESPACE, name))
}

fn name_based(namespace: u128, name: &str) -> Guid {
    let mut hash = Md5::new();
    hash.update(namespace.to_be_bytes());
    hash.update(name.as_bytes());
    let bits = u128::from_be_bytes(hash.finalize().into());
    let versioned = (bits & !(0xF << 76)) | (0x3 << 76);
    Guid::from_bits((versioned & !(0b11 << 62)) | (0b10 << 62))
}

const NUMBER_NAMESPACE: u128 = 0x6f6b_6761_7465_4e75_8d62_6572_0000_0001;
const USER_NAMESPACE: u128 = 0x6f6b_6761_7465_4e75_8d62_6572_0000_0002;
const DEPARTMENT_NAMESPACE: u128 = 0x6f6b_6761_7465_4e75_8d62_6572_0000_0003;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_id_that_any_tool_works_out_from_its_text() {
        // python3: uuid.uuid3(UUID("6f6b6761-7465-4e75-8d62-657200000001"), "101")
        assert_eq!(
            number_id("101").to_string(),
            "c83ec489-24e0-3681-a5ea-b4e1b4083bda"
        );
        assert_ne!(number_id("101"), number_id("102"));
    }

    #[test]
    fn a_login_has_one_id_however_it_is_typed() {
        assert_eq!(user_id("Анна"), user_id("анна"));
    }

    #[test]
    fn the_same_text_is_another_thing_in_another_namespace() {
        assert_ne!(user_id("101").0, number_id("101").0);
        assert_ne!(department_id("101").0, number_id("101").0);
    }
}
