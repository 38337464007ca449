//! The CRM's side of the hub: the seam for its link. Until the link is there,
//! dynamic methods fail as they do while a CRM is away.

/// Why a dynamic method gave nothing (protocol 8).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum MethodFailure {
    /// There is no link to the CRM.
    #[error("the CRM is not linked: try again when it is")]
    Unavailable,
}
