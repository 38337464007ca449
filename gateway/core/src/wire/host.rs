//! A host and its port as they are written.
//!
//! In comes the host by name or number; an IPv6 one, which has no brackets here, comes out in them
//! (RFC 3986, 3.2.2).

/// `host:port`.
#[must_use]
pub fn address(host: &str, port: u16) -> String {
    format!("{}:{port}", bracketed(host))
}

/// The `Host` header: the port is left out if it is the scheme's own (RFC 9110, 7.2; RFC 6455,
/// 4.1).
#[must_use]
pub fn header(host: &str, port: u16, is_tls: bool) -> String {
    let usual = if is_tls { 443 } else { 80 };
    if port == usual {
        bracketed(host)
    } else {
        address(host, port)
    }
}

fn bracketed(host: &str) -> String {
    if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_with_its_port_unless_that_is_the_usual_one() {
        assert_eq!(header("crm.example", 80, false), "crm.example");
        assert_eq!(header("crm.example", 8080, false), "crm.example:8080");
        assert_eq!(header("crm.example", 443, true), "crm.example");
        assert_eq!(header("crm.example", 80, true), "crm.example:80");
        assert_eq!(header("::1", 8080, false), "[::1]:8080");
        assert_eq!(header("::1", 443, true), "[::1]");
    }

    #[test]
    fn an_address_always_has_its_port() {
        assert_eq!(address("crm.example", 80), "crm.example:80");
        assert_eq!(address("::1", 80), "[::1]:80");
    }
}
