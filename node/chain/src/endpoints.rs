//! Several endpoints of one chain: whose word counts, and what is done when they differ.
//!
//! Money needs a quorum of equal answers (P96). A threat needs one. A transaction goes to all.

use crate::endpoint::{Endpoint, EndpointError, EndpointName};
use crate::error::ChainError;
use crate::profile::Profile;
use crate::rpc::{At, BlockTag, CallRequest, Header, Receipt, Transaction};
use alloy_primitives::{Address, B256, Bytes, U256};
use core::time::Duration;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use lockstep_core::time::{BlockNumber, BlockPoint, BlockTimestamp};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;

/// The endpoints of one chain.
#[derive(Clone, Debug)]
pub struct Endpoints {
    all: Arc<[Arc<Endpoint>]>,
    profile: Profile,
}

/// What each endpoint answered, in the order of configuration.
pub type Answers<R> = Vec<Result<R, EndpointError>>;

/// Where a transaction landed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Landing {
    /// The transaction.
    pub tx: B256,
    /// Its block.
    pub block_hash: B256,
    /// Its block's number.
    pub block: BlockNumber,
    /// Whether it did what it was for.
    pub is_success: bool,
}

impl From<&Receipt> for Landing {
    fn from(receipt: &Receipt) -> Self {
        Self {
            tx: receipt.transaction_hash,
            block_hash: receipt.block_hash,
            block: receipt.block_number(),
            is_success: receipt.is_success(),
        }
    }
}

/// Once as many have answered as must agree, the others have this long.
const GRACE: Duration = Duration::from_secs(1);
/// Once one has answered, the others have this long.
pub(crate) const LAG: Duration = Duration::from_secs(3);

/// The next answer, unless the time is over first.
pub(crate) async fn next_until<F: Future>(
    open: &mut FuturesUnordered<F>,
    deadline: Option<Instant>,
) -> Option<F::Output> {
    match deadline {
        Some(deadline) => tokio::time::timeout_at(deadline, open.next()).await.ok().flatten(),
        None => open.next().await,
    }
}

impl Endpoints {
    /// At least as many as must agree on this kind of network.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn new(all: Vec<Endpoint>, profile: Profile) -> Result<Self, ChainError> {
        let (found, needed) = (all.len(), profile.quorum.max(1));
        if found < needed {
            return Err(ChainError::TooFewEndpoints { found, needed });
        }
        Ok(Self { all: all.into_iter().map(Arc::new).collect(), profile })
    }

    /// Without those in some places, whose names come beside. As many must agree as before, so that fewer
    /// endpoints believe nothing more easily.
    pub(crate) fn without(&self, places: &BTreeSet<usize>) -> (Self, Vec<EndpointName>) {
        let (mut kept, mut names) = (Vec::new(), Vec::new());
        for (place, endpoint) in self.all.iter().enumerate() {
            if places.contains(&place) {
                names.push(endpoint.name().clone());
            } else {
                kept.push(Arc::clone(endpoint));
            }
        }
        (Self { all: kept.into(), profile: self.profile }, names)
    }

    /// What is special about the network.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.all.iter().map(Arc::as_ref)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.len()
    }

    /// Asks all of them at once. An endpoint that takes much longer than the others counts as one that does not
    /// answer: it must not set the pace of a challenge.
    pub async fn ask_all<'a, R, F>(&'a self, ask: impl Fn(&'a Endpoint) -> F) -> Answers<R>
    where
        F: Future<Output = Result<R, EndpointError>>,
    {
        let mut answers: Answers<R> =
            self.iter().map(|endpoint| Err(endpoint.late_error(LAG))).collect();
        let asked = self.iter().map(ask).enumerate();
        let mut open: FuturesUnordered<_> =
            asked.map(|(place, answer)| async move { (place, answer.await) }).collect();
        let mut late: BTreeSet<usize> = (0..self.count()).collect();
        let (mut found, mut deadline) = (0usize, None);
        while let Some((place, answer)) = next_until(&mut open, deadline).await {
            found = found.saturating_add(usize::from(answer.is_ok()));
            late.remove(&place);
            if let Some(slot) = answers.get_mut(place) {
                *slot = answer;
            }
            let patience = if found >= self.profile.quorum { GRACE } else { LAG };
            let until = Instant::now().checked_add(patience).filter(|_| found > 0);
            deadline = [deadline, until].into_iter().flatten().min();
        }
        for (place, endpoint) in self.iter().enumerate() {
            if late.contains(&place) {
                endpoint.note_late();
            }
        }
        answers
    }

    /// Asks one after the other until one answers, those that answered lately first. For what the answer
    /// of one can't make worse than no answer.
    ///
    /// # Errors
    /// The last one's, if none answers.
    pub async fn ask_any<'a, R, F>(
        &'a self,
        ask: impl Fn(&'a Endpoint) -> F,
    ) -> Result<R, ChainError>
    where
        F: Future<Output = Result<R, EndpointError>>,
    {
        let (healthy, others): (Vec<_>, Vec<_>) = self.iter().partition(|e| e.is_healthy());
        let mut last = None;
        for endpoint in healthy.into_iter().chain(others) {
            match ask(endpoint).await {
                Ok(answer) => return Ok(answer),
                Err(error) => last = Some(error),
            }
        }
        Err(match last {
            Some(error) => error.into(),
            None => ChainError::TooFewEndpoints { found: 0, needed: 1 },
        })
    }

    /// Asks all and takes the answer that a quorum gives.
    ///
    /// # Errors
    /// [`ChainError::NoQuorum`] if no answer has one.
    pub async fn ask_quorum<'a, R: PartialEq, F>(
        &'a self,
        ask: impl Fn(&'a Endpoint) -> F,
    ) -> Result<R, ChainError>
    where
        F: Future<Output = Result<R, EndpointError>>,
    {
        let answers = self.ask_all(ask).await.into_iter().filter_map(Result::ok);
        majority(answers, self.profile.quorum)
    }

    /// The highest head that any endpoint claims: for estimates and searches, not for what must land.
    ///
    /// # Errors
    /// If none answers.
    pub async fn newest_header(&self) -> Result<Header, ChainError> {
        Ok(self.newest().await?.0)
    }

    /// The time of the newest block; see [`Self::newest`].
    ///
    /// # Errors
    /// If none answers.
    pub async fn time(&self) -> Result<BlockTimestamp, ChainError> {
        Ok(self.newest().await?.1)
    }

    /// The highest head that any endpoint claims, and the time of the newest block as the upper middle of what they
    /// say: one of three moves it nowhere.
    ///
    /// # Errors
    /// If none answers.
    pub async fn newest(&self) -> Result<(Header, BlockTimestamp), ChainError> {
        let is_hashed = self.profile.has_ethereum_hash;
        let answers = self.ask_all(|endpoint| endpoint.header(BlockTag::Latest, is_hashed)).await;
        let times = answers.iter().flatten().map(|header| header.point().timestamp);
        let time = middle(times).map(|(_, upper)| upper);
        let header = highest(answers, Header::number)?;
        let time = time.unwrap_or(header.point().timestamp);
        Ok((header, time))
    }

    /// The newest finalized block that a quorum shows, with its hash; none while too few agree.
    pub async fn finalized(&self) -> Option<(BlockPoint, B256)> {
        let profile = self.profile;
        let is_hashed = profile.has_ethereum_hash;
        let ask = |tag| self.ask_all(move |endpoint| endpoint.header(tag, is_hashed));
        let tops = ask(profile.finalized).await;
        let mut numbers: Vec<u64> = tops.iter().flatten().map(Header::number).collect();
        numbers.sort_unstable_by_key(|number| core::cmp::Reverse(*number));
        // The highest that as many have reached as must agree: one that stands still holds up no others.
        let number = *numbers.get(profile.quorum.saturating_sub(1))?;
        let headers = ask(BlockTag::Number(number)).await.into_iter().flatten();
        let header = majority(headers, profile.quorum).ok()?;
        Some((header.point(), header.hash))
    }

    /// The highest balance that an endpoint claims: a wrong answer costs a failed attempt, no money, and
    /// one endpoint that calls an account empty holds nothing back.
    ///
    /// # Errors
    /// If none answers.
    pub async fn balance(&self, account: Address) -> Result<U256, ChainError> {
        highest(self.ask_all(|endpoint| endpoint.balance(account)).await, |balance| *balance)
    }

    /// What each endpoint says that an account's transactions in the newest block count to; none where it
    /// does not answer.
    ///
    /// # Errors
    /// If none answers.
    pub async fn nonces(&self, account: Address) -> Result<Vec<Option<u64>>, ChainError> {
        let answers = self.ask_all(|endpoint| endpoint.nonce(account, At::Latest)).await;
        each_known(answers)
    }

    /// The lowest priority fee that an endpoint suggests: one alone must not make us pay more, and too
    /// little is raised while the transaction waits. Units: wei per gas.
    pub async fn priority_fee(&self) -> Option<u128> {
        let answers = self.ask_all(Endpoint::priority_fee).await;
        answers.into_iter().filter_map(Result::ok).min()
    }

    /// Where each endpoint says that a transaction has landed. The outer none is an endpoint that does not
    /// answer, the inner one an endpoint that knows of no landing.
    ///
    /// # Errors
    /// If none answers.
    pub async fn landings(&self, tx: B256) -> Result<Vec<Option<Option<Landing>>>, ChainError> {
        let answers = self.ask_all(|endpoint| endpoint.receipt(tx)).await;
        let known = each_known(answers)?;
        let landing = |receipt: Option<Receipt>| {
            receipt.filter(|receipt| receipt.transaction_hash == tx).as_ref().map(Landing::from)
        };
        Ok(known.into_iter().map(|answer| answer.map(landing)).collect())
    }

    /// A transaction, if any endpoint knows it.
    ///
    /// # Errors
    /// If none answers at all.
    pub async fn transaction(&self, tx: B256) -> Result<Option<Transaction>, ChainError> {
        first_known(self.ask_all(|endpoint| endpoint.transaction(tx)).await)
    }

    /// The result of a call that a quorum gives.
    ///
    /// # Errors
    /// If there is no quorum.
    pub async fn call_agreed(&self, call: &CallRequest, at: At) -> Result<Bytes, ChainError> {
        self.ask_quorum(|endpoint| endpoint.call(call, at)).await
    }

    /// Hands a transaction to all; one that takes it is enough.
    ///
    /// # Errors
    /// The first refusal, if none takes it.
    pub async fn broadcast(&self, raw: &Bytes) -> Result<(), ChainError> {
        let mut refusal = None;
        let mut is_taken = false;
        for answer in self.ask_all(|endpoint| endpoint.send_raw(raw)).await {
            match answer {
                Ok(_) => is_taken = true,
                Err(error) if error.is_known_transaction() => is_taken = true,
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        match refusal {
            Some(error) if !is_taken => Err(error.into()),
            Some(_) | None => Ok(()),
        }
    }

    /// Hands a transaction to every endpoint that does not know it: the word of one that says it does
    /// keeps it from no other.
    ///
    /// # Errors
    /// The first refusal, if none knows it or takes it.
    pub async fn spread(&self, tx: B256, raw: &Bytes) -> Result<(), ChainError> {
        let give = |endpoint| async move {
            let endpoint: &Endpoint = endpoint;
            match endpoint.transaction(tx).await {
                Ok(Some(_)) => Ok(()),
                Ok(None) | Err(_) => match endpoint.send_raw(raw).await {
                    Err(error) if !error.is_known_transaction() => Err(error),
                    Ok(_) | Err(_) => Ok(()),
                },
            }
        };
        let answers = self.ask_all(give).await;
        if answers.iter().any(Result::is_ok) {
            return Ok(());
        }
        answers.into_iter().next().unwrap_or(Ok(())).map_err(Into::into)
    }

    /// Endpoints that do not answer.
    pub fn unhealthy(&self) -> Vec<EndpointName> {
        self.iter().filter(|e| !e.is_healthy()).map(|e| e.name().clone()).collect()
    }
}

fn first_known<T>(answers: Answers<Option<T>>) -> Result<Option<T>, ChainError> {
    let mut failure = None;
    let mut has_answer = false;
    for answer in answers {
        match answer {
            Ok(Some(found)) => return Ok(Some(found)),
            Ok(None) => has_answer = true,
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(error) if !has_answer => Err(error.into()),
        Some(_) | None => Ok(None),
    }
}

/// What each endpoint that answered said.
fn each_known<T>(answers: Answers<T>) -> Result<Vec<Option<T>>, ChainError> {
    let mut failure = None;
    let mut known = Vec::with_capacity(answers.len());
    for answer in answers {
        match answer {
            Ok(answer) => known.push(Some(answer)),
            Err(error) => {
                known.push(None);
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(error) if known.iter().all(Option::is_none) => Err(error.into()),
        Some(_) | None => Ok(known),
    }
}

pub(crate) fn highest<T, K: Ord>(
    answers: Answers<T>,
    key: impl Fn(&T) -> K,
) -> Result<T, ChainError> {
    let mut failure = None;
    let mut best: Option<T> = None;
    for answer in answers {
        match answer {
            Ok(found) if best.as_ref().is_none_or(|best| key(&found) > key(best)) => {
                best = Some(found);
            }
            Ok(_) => {}
            Err(error) => failure = Some(error),
        }
    }
    match (best, failure) {
        (Some(best), _) => Ok(best),
        (None, Some(error)) => Err(error.into()),
        (None, None) => Err(ChainError::TooFewEndpoints { found: 0, needed: 1 }),
    }
}

/// The lower and the upper middle of what endpoints say: between them one liar among three can't get.
pub(crate) fn middle<T: Ord + Copy>(values: impl Iterator<Item = T>) -> Option<(T, T)> {
    let mut sorted: Vec<T> = values.collect();
    sorted.sort_unstable();
    let lower = sorted.len().saturating_sub(1).checked_div(2)?;
    let upper = sorted.len().checked_div(2)?;
    Some((*sorted.get(lower)?, *sorted.get(upper)?))
}

/// The answer that at least `needed` gave, and no other answer did.
///
/// # Errors
/// [`ChainError::NoQuorum`].
pub fn majority<R: PartialEq>(
    answers: impl IntoIterator<Item = R>,
    needed: usize,
) -> Result<R, ChainError> {
    let mut groups: Vec<(R, usize)> = Vec::new();
    for answer in answers {
        match groups.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => groups.push((answer, 1)),
        }
    }
    // The largest first; two groups that both reach a quorum prove nothing.
    groups.sort_by_key(|(_, count)| core::cmp::Reverse(*count));
    let agreeing = groups.first().map_or(0, |(_, count)| *count);
    let rival = groups.get(1).map_or(0, |(_, count)| *count);
    match groups.into_iter().next() {
        Some((answer, count)) if count >= needed && rival < needed => Ok(answer),
        Some(_) | None => Err(ChainError::NoQuorum { agreeing, needed }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p96_an_answer_counts_only_when_enough_give_it_and_no_rival_group_does() {
        assert_eq!(majority([7, 7, 8], 2).unwrap(), 7);
        assert_eq!(majority([7], 1).unwrap(), 7);
        for (answers, needed) in
            [(vec![7, 8], 2), (vec![7], 2), (vec![], 1), (vec![7, 8], 1), (vec![7, 7, 8, 8], 2)]
        {
            let refused = majority(answers.clone(), needed);
            assert!(matches!(refused, Err(ChainError::NoQuorum { .. })), "{answers:?}");
        }
    }

    #[test]
    fn p96_one_of_three_moves_the_middle_nowhere_and_of_two_both_are_kept() {
        for liar in [0, 100, u64::MAX] {
            let (lower, upper) = middle([10, 11, liar].into_iter()).unwrap();
            assert!((10..=11).contains(&lower) && lower == upper, "{liar}");
        }
        assert_eq!(middle([u64::MAX, 10].into_iter()), Some((10, u64::MAX)));
        assert_eq!(middle([10].into_iter()), Some((10, 10)));
        assert_eq!(middle(core::iter::empty::<u64>()), None);
    }
}
