//! The CRM's link in each of its six modes and both formats, with the real binary and a simulated CRM in this process: one test
//! for each cell of the table of modes, formats and what has to work over them.
//!
//! | | introduction | catalogue | method | form | 5 MiB | event | CRM restarts | gateway restarts |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | `ws-out`, `wss-out`, `ws-in`, `wss-in` | yes | yes | yes | yes | both ways | yes | yes | yes |
//! | `http-out`, `https-out` | yes | yes | yes | yes | to the gateway | none: 2.1-h | yes | yes |
//!
//! The two cells that cannot exist: over HTTP the gateway introduces itself, asks for the catalogues, runs methods and opens
//! forms, and tells no events (protocol 2.1-h), which `event` holds; and the CRM cannot send the gateway anything by itself
//! (2.1-g), so that the long request of the CRM has no way there.
#![forbid(unsafe_code)]

mod cells;
mod stage;
mod versions;

/// The tests of each row of the table.
macro_rules! rows {
    ($($row:ident: $mode:ident in $format:ident;)*) => {$(
        mod $row {
            use okgate_harness::crm::Mode;
            use okgate_harness::format::Format;
            use okgate_tests::TestResult;

            use crate::cells;

            const MODE: Mode = Mode::$mode;
            const FORMAT: Format = Format::$format;

            #[tokio::test]
            async fn gateway_and_crm_introduce_themselves() -> TestResult {
                cells::introduction(MODE, FORMAT).await
            }

            #[tokio::test]
            async fn the_gateway_learns_what_the_crm_can_do() -> TestResult {
                cells::catalogue(MODE, FORMAT).await
            }

            #[tokio::test]
            async fn a_method_runs_and_its_values_come_back_as_they_are() -> TestResult {
                cells::method(MODE, FORMAT).await
            }

            #[tokio::test]
            async fn a_form_is_opened_and_closed() -> TestResult {
                cells::form(MODE, FORMAT).await
            }

            #[tokio::test]
            async fn five_mebibytes_pass() -> TestResult {
                cells::five_mebibytes(MODE, FORMAT).await
            }

            #[tokio::test]
            async fn events_of_the_crms_users_are_told_where_a_link_can_carry_them() -> TestResult {
                cells::event(MODE, FORMAT).await
            }

            #[tokio::test]
            async fn a_crm_that_comes_back_is_used_again() -> TestResult {
                cells::crm_restarts(MODE, FORMAT).await
            }

            #[tokio::test]
            async fn a_gateway_that_comes_back_uses_the_crm_again() -> TestResult {
                cells::gateway_restarts(MODE, FORMAT).await
            }
        }
    )*};
}

rows! {
    http_out_json: HttpOut in Json;
    http_out_xml: HttpOut in Xml;
    https_out_json: HttpsOut in Json;
    https_out_xml: HttpsOut in Xml;
    ws_out_json: WsOut in Json;
    ws_out_xml: WsOut in Xml;
    wss_out_json: WssOut in Json;
    wss_out_xml: WssOut in Xml;
    ws_in_json: WsIn in Json;
    ws_in_xml: WsIn in Xml;
    wss_in_json: WssIn in Json;
    wss_in_xml: WssIn in Xml;
}
