//! The labels that `infer` puts on objects: rendered by one part, found again by another.

/// The release, as other tools name it.
pub const NAME: &str = "app.kubernetes.io/name";

/// Every object of ours carries it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub const MANAGER: &str = "infer";

/// The release an object belongs to.
pub const RELEASE: &str = "infer.dev/release";

/// The version, on what belongs to one.
pub const VERSION: &str = "infer.dev/version";
