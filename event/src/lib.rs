//! The contract between Gatepost's halves: what a gateway stores and a router reads.
//!
//! An [`Event`] is one verified, attributed occurrence with the provider's exact bytes; a [`Task`] is one delivery owed;
//! an [`Attempt`] is one HTTP try of it. The [`Store`] keeps them, on one of two engines behind one contract.

pub mod announcement;
pub mod answering;
pub mod attempt;
pub mod audit;
pub mod connection;
pub mod dead;
pub mod delivery;
pub mod erasure;
pub mod event;
pub mod heal;
pub mod id;
pub mod made;
pub mod outcome;
pub mod redelivery;
pub mod refusal;
pub mod registry;
pub mod release;
pub mod replay;
pub mod seal;
pub mod secret;
pub mod standing;
pub mod store;
pub mod subject;
pub mod sync;
pub mod turned_away;

pub use announcement::Announcement;
pub use attempt::{Attempt, AttemptError};
pub use audit::Act;
pub use connection::{Claim, Linked};
pub use dead::{DeadLetter, DeadReason};
pub use delivery::{Ending, Lane, Queued, Task};
pub use event::{Event, EventRef, Meta};
pub use id::{ActId, DeliveryId, ErasureId, EventId, HealId, KeyId, ReleaseId, ReplayId, RequestId};
pub use outcome::Outcomes;
pub use redelivery::{Noted, Redelivery};
pub use refusal::{Refusal, RefusalKey, SealedRefusal};
pub use replay::Replay;
pub use seal::{Keyring, SealError};
pub use secret::{SealedSecret, SecretName, SecretPurpose};
pub use store::{Store, StoreError};
