//! Mistakes, one at a time.

/// What follows the minimal file, which ends on line 5, and its one fault.
pub(super) const TABLE: &[(&str, &str)] = &[
    (
        "[gatway]\n",
        "6: gatway: unknown section; did you mean \"gateway\"?",
    ),
    (
        "[tls]\ncertificates = []\n",
        "7: tls.certificates: not supported by this version",
    ),
    (
        "[tls]\ncertificate = \"cert.pem\"\n",
        "7: tls.certificate: does not fit mode \"off\"; it belongs to wss-in",
    ),
    (
        "[[procedures]]\nname = \"a\"\n",
        "7: procedures[1].name: exactly one of command, url, columns (with rows) and value is needed",
    ),
    (
        "[[procedures]]\nname = \"a\"\nurl = \"ftp://host/x\"\n",
        "8: procedures[1].url: is no URL: it begins with http:// or https://",
    ),
    (
        "[[procedures]]\nname = \"a\"\nurl = \"http://me:secret@host/x\"\n",
        "8: procedures[1].url: is no http://host/path or https://host/path, without a login in front of the host",
    ),
    (
        "[[procedures]]\nname = \"a\"\nkind = \"script\"\nvalue = \"x\"\nmethod = \"GET\"\n",
        "10: procedures[1].method: is how a url is asked: there is none",
    ),
    (
        "[[procedures]]\nname = \"a\"\nkind = \"script\"\ncolumns = [\"x\"]\n",
        "9: procedures[1].columns: a script answers with one value: value",
    ),
    (
        "[[procedures]]\nname = \"a\"\nvalue = \"x\"\n",
        "8: procedures[1].value: a procedure answers with tables: columns and rows",
    ),
    (
        "[[procedures]]\nname = \"a\"\ncolumns = [\"x\"]\nrows = [[1, 2]]\n",
        "9: procedures[1].rows: a row has 2 values, not 1",
    ),
    (
        "[[procedures]]\nname = \"a\"\ncolumns = [\"x\"]\nrows = [[{}]]\n",
        "9: procedures[1].rows: a value is no text, number, true or false",
    ),
    (
        "[[procedures]]\nname = \"a\"\nrows = [[1]]\n",
        "6: procedures[1].columns: is missing; rows need it",
    ),
    (
        "[[procedures]]\nname = \"a\"\ncommand = []\n",
        "8: procedures[1].command: the program is missing",
    ),
    (
        "[[procedures]]\nname = \"a\"\ncommand = [\"/no/such/program\"]\n",
        "8: procedures[1].command: /no/such/program is no file",
    ),
    (
        "[[procedures]]\nname = \"a\"\ncommand = [\"true\"]\ntimeout_s = 0\n",
        "9: procedures[1].timeout_s: 0 is not within 1 to 3600",
    ),
    (
        "[[procedures]]\nname = \"a\"\ncommand = [\"true\"]\n[[procedures]]\nname = \"A\"\ncommand = [\"true\"]\n",
        "10: procedures[2].name: \"A\" is there twice",
    ),
    (
        "[desk]\nutc_offset = \"3\"\n",
        "7: desk.utc_offset: \"3\" is not \"+HH:MM\" or \"-HH:MM\" within 14 hours",
    ),
    (
        "[desk]\ntext_bytes_max = 0\n",
        "7: desk.text_bytes_max: 0 is not within 256 to 32768",
    ),
    (
        "[gateway]\nlogg = \"info\"\n",
        "7: gateway.logg: unknown key; did you mean \"log\"?",
    ),
    (
        "[gateway]\ndata_dir = \"/dev/null\"\n",
        "7: gateway.data_dir: /dev/null is no directory",
    ),
    (
        "[gateway]\nlog = 1\n",
        "7: gateway.log: is a whole number, expected a text",
    ),
    (
        "[gateway]\nlog_format = \"xml\"\n",
        "7: gateway.log_format: \"xml\" is not one of \"text\", \"json\"",
    ),
    (
        "[gateway]\ncores = 2000\n",
        "7: gateway.cores: 2000 is not within 0 to 1024",
    ),
    (
        "[gateway]\ncores = \"2\"\n",
        "7: gateway.cores: is a text, expected a whole number",
    ),
    (
        "[gateway]\ndrain_s = 1.5\n",
        "7: gateway.drain_s: is a number with a point, expected a whole number",
    ),
    (
        "[clients]\nlisten = []\n",
        "7: clients.listen: at least one address is needed",
    ),
    (
        "[clients]\nlisten = [\"nonsense\"]\n",
        "7: clients.listen: \"nonsense\" is not IP:port, such as \"127.0.0.1:4066\" or \"[::1]:4066\"",
    ),
    (
        "[clients]\nlisten = \"127.0.0.1:4066\"\n",
        "7: clients.listen: is a text, expected a list of texts",
    ),
    (
        "[clients]\nlisten = [\n  \"127.0.0.1:4066\",\n  \"localhost:1\"]\n",
        "9: clients.listen: \"localhost:1\" is not IP:port, such as \"127.0.0.1:4066\" or \"[::1]:4066\"",
    ),
    (
        "[clients]\nlisten = [\"127.0.0.1:4066\",\n\"127.0.0.1:4066\"]\n",
        "8: clients.listen: 127.0.0.1:4066 is there twice",
    ),
    (
        "[clients]\norigins = [\"https://crm.example/\"]\n",
        "7: clients.origins: \"https://crm.example/\" is not an origin: scheme://host or scheme://host:port, without a path",
    ),
    (
        "[clients]\norigins = [7]\n",
        "7: clients.origins: an entry is a whole number, expected a text",
    ),
    (
        "[clients]\nrequire_tls = true\n",
        "7: clients.require_tls: not supported by this version",
    ),
    (
        "[clients]\nframe_bytes_max = 5\n",
        "7: clients.frame_bytes_max: 5 is not within 0 (none), or 125 to 1073741824",
    ),
    (
        "[clients]\nmessages_burst = 100\n",
        "7: clients.messages_burst: 100 is less than messages_per_s (200)",
    ),
    (
        "[clients]\nsilence_close_s = 20\n",
        "7: clients.silence_close_s: 20 is not more than silence_ping_s (20): links would be closed before they are asked",
    ),
    (
        "[clients.token]\nalgorithm = \"HS256\"\n",
        "6: clients.token.key_file: is missing (or key)",
    ),
    (
        "[clients.token]\nalgorithm = \"HS256\"\nkey_file = \"/nowhere/key\"\n",
        "8: clients.token.key_file: /nowhere/key cannot be read: No such file or directory (os error 2)",
    ),
    (
        "[clients.token]\nalgorithm = \"HS256\"\nkey = \"env:NOT_SET\"\n",
        "8: clients.token.key: the environment variable NOT_SET is not set or is empty",
    ),
    (
        "[clients.token]\nalgorithm = \"HS256\"\nkey = \"short\"\n",
        "8: clients.token.key: HS256 needs a key of at least 32 bytes",
    ),
    (
        "[clients.token]\nalgorithm = \"hs256\"\nkey = \"0123456789abcdef0123456789abcdef\"\n",
        "7: clients.token.algorithm: \"hs256\" is not one of \"HS256\", \"RS256\", \"EdDSA\"; did you mean \"HS256\"?",
    ),
    (
        "[admin]\nlisten = \"4056\"\n",
        "7: admin.listen: \"4056\" is not IP:port, such as \"127.0.0.1:4066\" or \"[::1]:4066\"",
    ),
    (
        "[admin]\nlisten = \"0.0.0.0:4056\"\n",
        "7: admin.listen: 0.0.0.0:4056 can be reached from other machines: that needs token_file or token",
    ),
    (
        "[admin]\ntoken = \"short\"\n",
        "7: admin.token: the token is shorter than 16 characters",
    ),
    (
        "[web]\nusers = [\"ANNA\", \"crm\"]\n",
        "7: web.users: no user has the login \"crm\"",
    ),
    (
        "[pbx]\ndriver = \"asterisk\"\n",
        "7: pbx.driver: \"asterisk\" is not supported by this version",
    ),
    (
        "[pbx.sim]\nreject_share = 1.5\n",
        "7: pbx.sim.reject_share: 1.5 is not within 0.0 to 1.0",
    ),
    (
        "[pbx.sim]\nreject_share = nan\n",
        "7: pbx.sim.reject_share: nan is not within 0.0 to 1.0",
    ),
    (
        "[pbx.sim]\nreject_share = \"0\"\n",
        "7: pbx.sim.reject_share: is a text, expected a number",
    ),
    ("[pbx.sims]\nseed = 1\n", "6: pbx.sims: unknown key"),
    (
        "operator = \"yes\"\n",
        "6: users[1].operator: is a text, expected true or false",
    ),
    (
        "id = \"101\"\n",
        "6: users[1].id: \"101\" is not a GUID: expected 32 hexadecimal digits as 8-4-4-4-12",
    ),
    (
        "password_md5 = \"secret\"\n",
        "6: users[1].password_md5: is not 32 hexadecimal digits; `okgate passwd LOGIN` prints an entry",
    ),
    (
        "password_lower_md5 = \"+ebe2294ecd0e0f08eab7690d2a6ee69\"\n",
        "6: users[1].password_lower_md5: is not 32 hexadecimal digits; `okgate passwd LOGIN` prints an entry",
    ),
    (
        "numbers = [\"1 2\"]\n",
        "6: users[1].numbers: \"1 2\" is no number: up to 64 digits, letters, +, *, #, . and -",
    ),
    ("[[users]]\nname = \"B\"\n", "6: users[2].login: is missing"),
    (
        "[[departments]]\nusers = []\n",
        "6: departments[1].name: is missing",
    ),
    (
        "[[break_reasons]]\nid = 0\nname = \"Tea\"\n",
        "7: break_reasons[1].id: 0 is not within 1 to 2147483647",
    ),
    (
        "[[break_reasons]]\nname = \"Tea\"\n",
        "6: break_reasons[1].id: is missing",
    ),
];
