//! One group as one transaction of the engine: guard, rows and head, or nothing.

use sled::transaction::{
    ConflictableTransactionError, ConflictableTransactionResult, TransactionError, Transactional,
    TransactionalTree, UnabortableTransactionError,
};

use crate::{
    checksum::Checksum,
    chunk,
    error::{Refusal, Step, StoreError},
    head::{HEAD_KEY, Head},
    table::{Table, numbered_key},
    write_set::{Binding, WriteSet},
};

type TxResult<T> = ConflictableTransactionResult<T, Refusal>;

/// Runs the transaction and returns the head that it wrote.
///
/// `dropped_guards` are the rows that `set` retires. `next` is the head to write,
/// but for its checksum, which is carried on from the last one.
pub(crate) fn run(
    trees: &[sled::Tree],
    set: &WriteSet,
    dropped_guards: &[Vec<u8>],
    next: Head,
) -> Result<Head, StoreError> {
    trees
        .transaction(|views| {
            let mut tx = Tx { views, checksum: next.checksum };
            for binding in &set.bindings {
                tx.bind(binding)?;
            }
            for key in dropped_guards {
                tx.remove(Table::Guard, key)?;
            }
            for ((table, key), value) in &set.rows {
                match value {
                    Some(value) => tx.put(*table, key, value)?,
                    None => tx.remove(*table, key)?,
                }
            }
            let head = Head { checksum: tx.checksum, ..next };
            tx.view(Table::Meta)?.insert(HEAD_KEY, head.encode())?;
            Ok(head)
        })
        .map_err(|error| match error {
            TransactionError::Abort(refusal) => StoreError::Refused(refusal),
            TransactionError::Storage(source) => {
                StoreError::Engine { step: Step::Transaction, source }
            }
        })
}

struct Tx<'a> {
    views: &'a [TransactionalTree],
    checksum: Checksum,
}

impl Tx<'_> {
    /// The second lock of "one digest per version": it holds even if everything above is wrong.
    fn bind(&mut self, binding: &Binding) -> TxResult<()> {
        let Binding { channel, version, digest } = *binding;
        let key = numbered_key(&channel, version);
        if let Some(bound) = self.get_small(Table::Guard, &key)? {
            if bound == digest {
                return Ok(());
            }
            let bound = bound.try_into().unwrap_or_default();
            return abort(Refusal::GuardConflict { channel, version, bound, asked: digest });
        }
        let highest = match self.get_small(Table::Highest, &channel)? {
            Some(bytes) => match bytes.try_into() {
                Ok(bytes) => u64::from_be_bytes(bytes),
                // A number that cannot be read forbids everything.
                Err(_) => u64::MAX,
            },
            None => 0,
        };
        if version <= highest {
            return abort(Refusal::StaleVersion { channel, version, highest });
        }
        self.put(Table::Guard, &key, &digest)?;
        self.put(Table::Highest, &channel, &version.to_be_bytes())
    }

    /// A value that fits one row.
    fn get_small(&self, table: Table, key: &[u8]) -> TxResult<Option<Vec<u8>>> {
        let row = self.view(table)?.get(chunk::row_key(key, 0))?;
        Ok(row.and_then(|row| chunk::read_first(&row).map(|(_, part)| part.to_vec())))
    }

    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> TxResult<()> {
        let rows = match chunk::split(value) {
            Ok(rows) => rows,
            Err(chunk::ValueTooLarge { len }) => {
                return abort(Refusal::ValueTooLarge { table, len });
            }
        };
        let old_count = self.count_rows(table, key)?;
        let mut index = 0_u16;
        for row in rows {
            self.put_row(table, &chunk::row_key(key, index), row)?;
            index = index.saturating_add(1);
        }
        for index in index..old_count {
            self.remove_row(table, &chunk::row_key(key, index))?;
        }
        Ok(())
    }

    fn remove(&mut self, table: Table, key: &[u8]) -> TxResult<()> {
        for index in 0..self.count_rows(table, key)? {
            self.remove_row(table, &chunk::row_key(key, index))?;
        }
        Ok(())
    }

    /// How many rows the value under `key` has now.
    fn count_rows(&self, table: Table, key: &[u8]) -> TxResult<u16> {
        let first = self.view(table)?.get(chunk::row_key(key, 0))?;
        Ok(first.and_then(|row| chunk::read_first(&row).map(|(count, _)| count)).unwrap_or(0))
    }

    fn put_row(&mut self, table: Table, key: &[u8], value: Vec<u8>) -> TxResult<()> {
        let old = self.view(table)?.get(key)?;
        if let Some(old) = old {
            if *old == *value {
                return Ok(());
            }
            self.checksum.remove(table, key, &old);
        }
        self.checksum.add(table, key, &value);
        self.view(table)?.insert(key, value)?;
        Ok(())
    }

    fn remove_row(&mut self, table: Table, key: &[u8]) -> TxResult<()> {
        if let Some(old) = self.view(table)?.remove(key)? {
            self.checksum.remove(table, key, &old);
        }
        Ok(())
    }

    fn view(&self, table: Table) -> TxResult<&TransactionalTree> {
        self.views.get(table.index()).ok_or_else(|| {
            let missing = sled::Error::CollectionNotFound(table.name().into());
            UnabortableTransactionError::Storage(missing).into()
        })
    }
}

fn abort<T>(refusal: Refusal) -> TxResult<T> {
    Err(ConflictableTransactionError::Abort(refusal))
}
