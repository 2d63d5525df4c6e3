//! A conversation with the running node.

use super::Place;
use super::amount::{self, Money};
use super::failure::CliError;
use crate::config::address_of;
use lockstep_rpc::access::{ADMIN, TokenError, Tokens};
use lockstep_rpc::api;
use lockstep_rpc::client::Client;
use lockstep_rpc::method::{Call, Method, NoParams, Reply};
use lockstep_rpc::types::{Channel, ChannelCall, ChannelIdText, ListChannels, NodeInfo};
use std::path::Path;

/// Channels of one page.
const PAGE: u32 = 500;
/// Letters of an id that name a channel, at the least.
const LEAST_PREFIX: usize = 4;
/// Letters of a whole id.
const WHOLE_ID: usize = 66;

/// A caller of the node, and who the node is.
pub(super) struct Session {
    client: Client,
    pub(super) info: NodeInfo,
}

/// Connects to the node of a place and does something with it.
pub(super) fn with_node<F>(place: &Place, token: Option<&Path>, work: F) -> Result<(), CliError>
where
    F: AsyncFnOnce(&Session) -> Result<(), CliError>,
{
    let config = place.load()?.config;
    let address = address_of(&place.data_dir).unwrap_or(config.rpc.listen);
    let token = secret(place, token)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::failed(format!("no runtime: {}", error.kind())))?;
    runtime.block_on(async {
        let client = Client::new(address, &token)?;
        let info = client.call(&api::GET_INFO, &NoParams {}).await?;
        work(&Session { client, info }).await
    })
}

fn secret(place: &Place, token: Option<&Path>) -> Result<String, CliError> {
    let read = match token {
        Some(path) => Tokens::read_secret_file(path),
        None => Tokens::read_secret(&place.data_dir.join("tokens"), ADMIN),
    };
    read.map_err(|error| {
        let refused = CliError::of(error.class(), &error).safe("nothing was done");
        let is_missing = matches!(&error, TokenError::File { .. }) && !place.is_initialised();
        if is_missing && token.is_none() {
            CliError::refused(format!("{} holds no node", place.data_dir.display()))
                .safe("nothing was done")
                .advice("make one with `lockstep init`, or name its folder with --data-dir")
        } else {
            refused
        }
    })
}

impl Session {
    pub(super) async fn call<P: Call, R: Reply>(
        &self,
        method: &Method<P, R>,
        call: &P,
    ) -> Result<R, CliError> {
        Ok(self.client.call(method, call).await?)
    }

    /// The channel of an id or of its beginning.
    pub(super) async fn channel(&self, text: &str) -> Result<Channel, CliError> {
        if text.len() == WHOLE_ID {
            let channel_id: ChannelIdText = text.parse().map_err(|_| no_channel(text))?;
            return self.call(&api::GET_CHANNEL, &ChannelCall { channel_id }).await;
        }
        if !text.starts_with("0x") || text.len() < LEAST_PREFIX.saturating_add(2) {
            return Err(no_channel(text));
        }
        let prefix = text.to_ascii_lowercase();
        let mut found = self.channels(true).await?;
        found.retain(|channel| channel.channel_id.to_string().starts_with(&prefix));
        match (found.pop(), found.is_empty()) {
            (Some(channel), true) => Ok(channel),
            (Some(_), false) => {
                Err(CliError::refused(format!("more than one channel begins with {text}"))
                    .safe("nothing was done")
                    .advice("give more of the id"))
            }
            (None, _) => Err(CliError::refused(format!("no channel begins with {text}"))
                .safe("nothing was done")
                .advice("`lockstep channels --all` lists them")),
        }
    }

    /// The id of the channel that is named, if one is.
    pub(super) async fn channel_id_if_any(
        &self,
        text: Option<&str>,
    ) -> Result<Option<ChannelIdText>, CliError> {
        match text {
            Some(text) => Ok(Some(self.channel(text).await?.channel_id)),
            None => Ok(None),
        }
    }

    /// All channels, page by page.
    pub(super) async fn channels(&self, include_settled: bool) -> Result<Vec<Channel>, CliError> {
        let mut all: Vec<Channel> = Vec::new();
        loop {
            let call = ListChannels {
                after: all.last().map(|channel| channel.channel_id),
                limit: Some(PAGE),
                include_settled: Some(include_settled),
                ..ListChannels::default()
            };
            let page = self.call(&api::LIST_CHANNELS, &call).await?;
            let is_last = !page.has_more || page.channels.is_empty();
            all.extend(page.channels);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// An amount in any asset that the node knows.
    pub(super) fn money(&self, text: &str) -> Result<Money, CliError> {
        amount::read(&[text.to_owned()], &self.info.assets)
    }

    /// As [`Self::money`], of the words of a command line; none if there are none.
    pub(super) fn money_of(&self, words: &[String]) -> Result<Option<Money>, CliError> {
        if words.is_empty() {
            return Ok(None);
        }
        amount::read(words, &self.info.assets).map(Some)
    }
}

fn no_channel(text: &str) -> CliError {
    CliError::refused(format!("`{text}` is no channel id"))
        .safe("nothing was done")
        .advice("give the id, or at least the first four digits after its 0x")
}
