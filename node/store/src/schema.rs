//! The schema version on disk, and the steps that lead from an older one to ours.

use crate::{
    chunk,
    engine::Engine,
    error::{OpenError, Refusal, StoreError},
    table::Table,
    write_set::WriteSet,
};

/// The schema that this release writes.
pub const SCHEMA_VERSION: u32 = 1;

/// Key of the schema version in [`Table::Meta`]. Neither key nor place may ever change.
pub(crate) const SCHEMA_KEY: &[u8] = b"schema";

/// A step from one schema to the next: reads the old rows and says what to change.
///
/// # Invariants
/// A step that was cut off is run again from the start, on rows of which some are new already.
pub(crate) struct Migration {
    /// The schema it starts from; it ends at the next one.
    pub(crate) from: u32,
    /// What to change, in groups.
    pub(crate) plan: fn(&Engine) -> Result<Vec<WriteSet>, StoreError>,
}

/// Every step that was ever needed, oldest first.
pub(crate) const MIGRATIONS: &[Migration] = &[];

/// The schema version on disk; `None` in a database without one.
pub(crate) fn read(meta: &sled::Tree) -> Result<Option<u32>, sled::Error> {
    let row = meta.get(chunk::row_key(SCHEMA_KEY, 0))?;
    let version = row.as_deref().and_then(chunk::read_first).map(|(_, part)| part.try_into());
    // A version that cannot be read is treated as newer than anything.
    Ok(version.map(|bytes| bytes.map_or(u32::MAX, u32::from_be_bytes)))
}

/// The steps from `found` to `target`.
pub(crate) fn path(
    found: u32,
    target: u32,
    known: &[Migration],
) -> Result<Vec<&Migration>, OpenError> {
    if found > target {
        return Err(OpenError::SchemaTooNew { found, supported: target });
    }
    let steps: Vec<_> =
        known.iter().filter(|step| step.from >= found && step.from < target).collect();
    let is_gapless = (found..target).eq(steps.iter().map(|step| step.from));
    if is_gapless { Ok(steps) } else { Err(OpenError::NoMigration { found }) }
}

/// Runs steps on an engine whose epoch has begun; each ends by writing the version it reached.
pub(crate) fn migrate(engine: &mut Engine, steps: &[&Migration]) -> Result<(), StoreError> {
    for step in steps {
        for set in (step.plan)(engine)? {
            engine.write(&set)?;
        }
        let mut version = WriteSet::default();
        set_version(&mut version, step.from.saturating_add(1))?;
        engine.write(&version)?;
    }
    Ok(())
}

/// Writes a version.
pub(crate) fn set_version(set: &mut WriteSet, version: u32) -> Result<(), Refusal> {
    set.put(Table::Meta, SCHEMA_KEY.to_vec(), version.to_be_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &Engine) -> Result<Vec<WriteSet>, StoreError> {
        Ok(Vec::new())
    }

    #[test]
    fn p58_a_path_of_migrations_has_no_gap_and_never_leads_back() {
        let known: Vec<_> =
            [1, 2, 4].into_iter().map(|from| Migration { from, plan: nothing }).collect();
        let steps = |found, target| {
            path(found, target, &known)
                .map(|steps| steps.iter().map(|s| s.from).collect::<Vec<_>>())
        };
        assert_eq!(steps(1, 3).unwrap(), [1, 2]);
        assert_eq!(steps(3, 3).unwrap(), [0; 0]);
        assert!(matches!(steps(1, 5), Err(OpenError::NoMigration { found: 1 })));
        let newer = steps(4, 3);
        assert!(matches!(newer, Err(OpenError::SchemaTooNew { found: 4, supported: 3 })));
    }
}
