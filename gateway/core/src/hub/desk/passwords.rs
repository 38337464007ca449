//! `changepassword` (protocol 6.3-e): the new one holds until the gateway ends.

use crate::base::UserId;
use crate::hub::accounts::Accounts;
use crate::protocol::{
    ErrorNumber, Fault, PasswordChange, PasswordHashes, hashes_of_bytes, parse_md5_hex,
};

impl Accounts {
    /// Changes a user's password if the old one is right.
    pub(super) fn change_password(
        &mut self,
        user: UserId,
        change: &PasswordChange,
    ) -> Result<(), Fault> {
        let new = parse_md5_hex(change.new_md5.reveal());
        let new = new.ok_or_else(|| Fault::parameter("newpwdmd5", "32 hexadecimal digits"))?;
        if !self.has_password(user, &change.old_md5) {
            return Err(wrong_old());
        }
        let lower = match &change.new {
            None => None,
            Some(text) => {
                let hashes = hashes_of_bytes(text.reveal());
                let is_same = |hashes: &PasswordHashes| hashes.as_typed == new;
                let hashes = hashes.filter(is_same).ok_or_else(|| {
                    Fault::parameter("newpwd", "the bytes whose MD5 is newpwdmd5")
                })?;
                Some(hashes.lower_cased)
            }
        };
        self.set_password(user, new, lower);
        Ok(())
    }
}

/// Libraries compare this text.
fn wrong_old() -> Fault {
    Fault::new(ErrorNumber::NotAllowed, "old password is wrong")
}
