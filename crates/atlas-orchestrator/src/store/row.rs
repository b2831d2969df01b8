//! What a store keeps: rows whose columns stand outside the encoded body, so that even a row that this program cannot
//! decode can be seen, priced and found again.

use std::fmt;

use atlas_auth::Timestamp;
use bytes::Bytes;

/// What a row is about. Open: a code that this program does not know is kept and shown as it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(u8);

impl Kind {
    /// One user's use of a machine.
    pub const SESSION: Self = Self(1);
    /// One create that may have happened.
    pub const RENTAL: Self = Self(2);
    /// A machine seen in the cloud that the reaper has to see again.
    pub const SIGHTING: Self = Self(3);
    /// The back-off of creates, for a key or a whole deployment.
    pub const BREAKER: Self = Self(4);
    /// What there is once a store: installation, check value of the master key, settings that must survive.
    pub const META: Self = Self(5);

    /// The kind with this code, known or not.
    pub const fn from_code(code: u8) -> Self {
        Self(code)
    }

    /// The code under which the kind is stored.
    pub const fn code(self) -> u8 {
        self.0
    }

    const fn name(self) -> Option<&'static str> {
        match self {
            Self::SESSION => Some("session"),
            Self::RENTAL => Some("rental"),
            Self::SIGHTING => Some("sighting"),
            Self::BREAKER => Some("breaker"),
            Self::META => Some("meta"),
            Self(_) => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => formatter.write_str(name),
            None => write!(formatter, "kind {}", self.0),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The name of a row: its kind and an id that is unique within the kind.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowKey {
    /// What the row is about.
    pub kind: Kind,
    /// The id within the kind.
    pub id: String,
}

impl RowKey {
    /// The row `id` of `kind`.
    pub fn new(kind: Kind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into() }
    }

    /// The session `id`.
    pub fn session(id: impl Into<String>) -> Self {
        Self::new(Kind::SESSION, id)
    }

    /// The rental `id`.
    pub fn rental(id: impl Into<String>) -> Self {
        Self::new(Kind::RENTAL, id)
    }
}

impl fmt::Display for RowKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.kind, self.id)
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// A name that at most one row of the whole store bears at a time. The deployment is part of it, so that several
/// deployments can share one database.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UniqueName {
    /// The deployment in which the name is unique.
    pub deployment: String,
    /// What sort of name it is: `key`, `token`, …
    pub namespace: String,
    /// The name itself.
    pub text: String,
}

impl UniqueName {
    /// `text` in `namespace` of `deployment`.
    pub fn new(deployment: impl Into<String>, namespace: impl Into<String>, text: impl Into<String>) -> Self {
        Self { deployment: deployment.into(), namespace: namespace.into(), text: text.into() }
    }

    /// The name as a row's unique key, until `moment`.
    pub fn until(self, moment: Timestamp) -> UniqueKey {
        UniqueKey { name: self, expires_at: Some(moment) }
    }

    /// The name as a row's unique key, for as long as the row lists it.
    pub fn forever(self) -> UniqueKey {
        UniqueKey { name: self, expires_at: None }
    }
}

impl fmt::Display for UniqueName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}/{}", self.deployment, self.namespace, self.text)
    }
}

/// A unique name borne by a row, with the moment from which it counts as free.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UniqueKey {
    /// The name.
    pub name: UniqueName,
    /// From this moment on the name counts as free, although the row still lists it. `None`: never.
    pub expires_at: Option<Timestamp>,
}

impl UniqueKey {
    /// Whether the name still binds at `now`.
    pub fn binds(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }
}

/// How to ask for one row.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Key {
    /// By its own name.
    Row(RowKey),
    /// By a unique name that it bears now.
    Unique(UniqueName),
}

impl From<RowKey> for Key {
    fn from(key: RowKey) -> Self {
        Self::Row(key)
    }
}

impl From<UniqueName> for Key {
    fn from(name: UniqueName) -> Self {
        Self::Unique(name)
    }
}

/// The name of a queue of due rows, such as `release/runpod`. Queues know nothing of each other, so that one that is
/// full or slow holds up no other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Queue(String);

impl Queue {
    /// The queue of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One row. Everything but `body` can be read by any version of the program.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Its name.
    pub key: RowKey,
    /// The format of `body`. A row of a format above what the reader knows is shown and left alone.
    pub format: u16,
    /// Given by the store at each write, rising over the whole store, never given twice. In a row to be written it is
    /// not looked at.
    pub version: u64,
    /// The phase of its life, in one word.
    pub phase: String,
    /// The queue in which it waits for `due_at`. A row needs both to be claimed.
    pub queue: Option<Queue>,
    /// When it wants to be looked at.
    pub due_at: Option<Timestamp>,
    /// The account that it costs money on.
    pub account: Option<String>,
    /// All the unique names that it bears.
    pub unique: Vec<UniqueKey>,
    /// The record itself, encoded by the owner of the row.
    pub body: Bytes,
}

impl Row {
    /// The format under which a row is shown whose very columns cannot be read: its `body` is the stored value as it
    /// is. Being above every other format it cannot be overwritten by a [`Put`](super::Op::Put).
    pub const UNREADABLE: u16 = u16::MAX;

    /// A row with nothing but a name and a body: in no queue, without unique names.
    pub fn new(key: RowKey, format: u16, body: impl Into<Bytes>) -> Self {
        Self {
            key,
            format,
            version: 0,
            phase: String::new(),
            queue: None,
            due_at: None,
            account: None,
            unique: Vec::new(),
            body: body.into(),
        }
    }

    /// The same row in this phase.
    #[must_use]
    pub fn in_phase(mut self, phase: impl Into<String>) -> Self {
        self.phase = phase.into();
        self
    }

    /// The same row, due in `queue` at `moment`.
    #[must_use]
    pub fn due(mut self, queue: Queue, moment: Timestamp) -> Self {
        self.queue = Some(queue);
        self.due_at = Some(moment);
        self
    }

    /// The same row, on this account.
    #[must_use]
    pub fn on_account(mut self, account: impl Into<String>) -> Self {
        self.account = Some(account.into());
        self
    }

    /// The same row, bearing one more unique name.
    #[must_use]
    pub fn bearing(mut self, key: UniqueKey) -> Self {
        self.unique.push(key);
        self
    }

    /// Where it stands in the index of due rows, if it does.
    pub(crate) fn place(&self) -> Option<(&Queue, Timestamp)> {
        self.queue.as_ref().zip(self.due_at)
    }
}

impl fmt::Debug for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Row")
            .field("key", &self.key)
            .field("format", &self.format)
            .field("version", &self.version)
            .field("phase", &self.phase)
            .field("queue", &self.queue)
            .field("due_at", &self.due_at)
            .field("account", &self.account)
            .field("unique", &self.unique)
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish()
    }
}
