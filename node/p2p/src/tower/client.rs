//! A node's end: connections with towers, each under a session key of its own.
//!
//! A link is not made again when it ends: whoever uses it decides when to try again.

mod link;
mod service;

use std::sync::Arc;
use std::time::Duration;

use libp2p::PeerId;
use lockstep_core::error::ErrorClass;
use lockstep_core::ids::NodeId;
use lockstep_core::possession::PossessionProof;
use lockstep_core::terms::Features;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::address::TowerAddress;
use super::limits::TowerLimits;
use super::message::{Access, Held, Push, Reply, Request, Subscription, TowerRefusal};
use super::swarm;
use crate::config::TransportIdentity;
use crate::contact::ConnectError;
use crate::handshake::{FeatureOffer, JournalHead};
use crate::limits::COMMAND_QUEUE;
use crate::listen::Places;
use crate::network::StartError;
use crate::port::{Clock, Entropy, NodeKey};
use crate::stream;
use link::Call;
use lockstep_core::appointment::Appointment;
use lockstep_core::ids::ChannelId;
use lockstep_core::receipt::SignedReceipt;
use service::{Command, Service};

/// Why a tower gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// It refuses, and says why.
    #[error(transparent)]
    Refused(#[from] TowerRefusal),
    /// It did not answer in time.
    #[error("the tower does not answer")]
    TimedOut,
    /// The link is gone.
    #[error("the link with the tower is gone")]
    Gone,
    /// Its answer is to another question.
    #[error("the tower answers another question")]
    OutOfPlace,
}

impl CallError {
    /// What to do about it.
    pub fn class(&self) -> ErrorClass {
        match self {
            Self::Refused(refusal) => refusal.class(),
            Self::TimedOut | Self::Gone => ErrorClass::Transient,
            Self::OutOfPlace => ErrorClass::PeerFault,
        }
    }
}

/// A tower to be connected with.
#[derive(Clone)]
pub struct TowerOrder {
    /// Who and where.
    pub tower: TowerAddress,
    /// The session key of this node with this tower; it names the account.
    pub session_key: Arc<dyn NodeKey>,
    /// Which life of our journal speaks.
    pub head: Option<JournalHead>,
}

/// What a tower says unasked; none once the link is gone.
#[derive(Debug)]
pub struct Pushes(mpsc::Receiver<Push>);

impl Pushes {
    /// The next thing it says.
    pub async fn next(&mut self) -> Option<Push> {
        self.0.recv().await
    }
}

/// The links of a node with its towers. It runs until the last handle is dropped.
#[derive(Clone, Debug)]
pub struct TowerClient {
    commands: mpsc::Sender<Command>,
}

impl TowerClient {
    /// Starts without any link. `identity` should be drawn anew at each start: it names nobody. Must be
    /// called inside a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start(
        identity: &TransportIdentity,
        mut limits: TowerLimits,
        clock: &Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, StartError> {
        limits.connections.pending_outbound = limits.connections.pending_outbound.max(32);
        let streams = stream::Behaviour::dialing(super::PROTOCOL);
        let swarm = swarm::build(identity, &limits, streams, clock, Places::default())?;
        let (commands, orders) = mpsc::channel(COMMAND_QUEUE);
        let service = Service::new(swarm, limits, entropy, Arc::clone(clock), orders);
        // It ends with its handles.
        drop(tokio::spawn(service.run()));
        Ok(Self { commands })
    }

    /// Connects with a tower and checks that it has the key that its address names.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(&self, order: TowerOrder) -> Result<(TowerLink, Pushes), ConnectError> {
        let (answer, answered) = oneshot::channel();
        let command = Command::Connect { order: Box::new(order), answer };
        self.commands.send(command).await.map_err(|_| ConnectError::Stopped)?;
        answered.await.map_err(|_| ConnectError::Stopped)?
    }
}

/// A link with one tower. It ends when the last handle is dropped.
#[derive(Clone, Debug)]
pub struct TowerLink {
    tower: NodeId,
    peer_id: PeerId,
    features: Features,
    calls: mpsc::Sender<Call>,
    patience: Duration,
}

impl TowerLink {
    /// The tower's key, proven on this connection.
    pub fn tower(&self) -> NodeId {
        self.tower
    }

    /// The tower's transport identity.
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// What both sides can do.
    pub fn features(&self) -> Features {
        self.features
    }

    /// Whether it is gone.
    pub fn is_closed(&self) -> bool {
        self.calls.is_closed()
    }

    /// Asks and waits for the answer, for a bounded time.
    ///
    /// # Errors
    /// [`CallError`]; a refusal is one.
    pub async fn call(&self, request: Request) -> Result<Reply, CallError> {
        let (answer, answered) = oneshot::channel();
        let call = async {
            let call = Call { request, answer };
            self.calls.send(call).await.map_err(|_| CallError::Gone)?;
            answered.await.map_err(|_| CallError::Gone)
        };
        match timeout(self.patience, call).await.map_err(|_| CallError::TimedOut)?? {
            Reply::Refused(refusal) => Err(refusal.into()),
            reply @ (Reply::Subscribed(_)
            | Reply::Promised(_)
            | Reply::Held(_)
            | Reply::Dropped { .. }
            | Reply::Listed { .. }
            | Reply::Proof(_)) => Ok(reply),
        }
    }

    /// Asks for room for so many channels, and learns what the account has.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn subscribe(&self, slots: u32) -> Result<Subscription, CallError> {
        let reply = self.call(Request::Subscribe { slots }).await?;
        let Reply::Subscribed(subscription) = reply else { return Err(CallError::OutOfPlace) };
        Ok(subscription)
    }

    /// Leaves the newest state of a channel.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn put(
        &self,
        appointment: Appointment,
        access: Access,
    ) -> Result<PutOutcome, CallError> {
        match self.call(Request::Put { appointment: Box::new(appointment), access }).await? {
            Reply::Promised(receipt) => Ok(PutOutcome::Promised(Box::new(receipt))),
            Reply::Held(held) => Ok(PutOutcome::Held(held)),
            Reply::Subscribed(_)
            | Reply::Dropped { .. }
            | Reply::Listed { .. }
            | Reply::Proof(_)
            | Reply::Refused(_) => Err(CallError::OutOfPlace),
        }
    }

    /// What the tower holds of a channel.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn get(&self, access: Access) -> Result<Held, CallError> {
        let reply = self.call(Request::Get(access)).await?;
        let Reply::Held(held) = reply else { return Err(CallError::OutOfPlace) };
        Ok(*held)
    }

    /// Refers to a channel no more.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn drop_channel(&self, access: Access) -> Result<(), CallError> {
        let wanted = access.channel_id;
        let reply = self.call(Request::Drop(access)).await?;
        let Reply::Dropped { channel_id } = reply else { return Err(CallError::OutOfPlace) };
        if channel_id == wanted { Ok(()) } else { Err(CallError::OutOfPlace) }
    }

    /// The channels that the account refers to, after one of them or from the first.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn list(&self, after: Option<ChannelId>) -> Result<Vec<ChannelId>, CallError> {
        let reply = self.call(Request::List { after }).await?;
        let Reply::Listed { channel_ids } = reply else { return Err(CallError::OutOfPlace) };
        Ok(channel_ids)
    }

    /// The path of one channel under the newest root.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn prove(&self, channel_id: ChannelId) -> Result<PossessionProof, CallError> {
        let reply = self.call(Request::Prove { channel_id }).await?;
        let Reply::Proof(proof) = reply else { return Err(CallError::OutOfPlace) };
        Ok(*proof)
    }
}

/// What became of a state that was left with a tower.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// It is on disk, and this is the promise.
    Promised(Box<SignedReceipt>),
    /// The tower holds something newer, or other content under the same version.
    Held(Box<Held>),
}

/// A client insists on nothing, so that towers of every release serve it.
const FEATURES: FeatureOffer = FeatureOffer { required: Features::NONE, optional: Features::NONE };
