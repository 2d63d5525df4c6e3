//! Where rows are read from: the engine, or a model of it in memory.

use crate::{
    engine::{Engine, Row},
    error::StoreError,
    table::Table,
};

/// Reads logical rows.
pub trait RowSource {
    /// Reads a value.
    ///
    /// # Errors
    /// When it cannot be read.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Reads every value whose key starts with `prefix`, in the order of keys.
    ///
    /// # Errors
    /// When one of them cannot be read.
    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError>;

    /// Reads up to `limit` values whose keys start with `prefix` and are not below `from`, in order.
    ///
    /// # Errors
    /// When one of them cannot be read.
    fn page(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, StoreError>;

    /// Reads the value with the greatest key that starts with `prefix` and is not above `key`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn floor(&self, table: Table, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, StoreError>;
}

impl RowSource for Engine {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Self::get(self, table, key)
    }

    fn scan(&self, table: Table, prefix: &[u8]) -> Result<Vec<Row>, StoreError> {
        Self::scan(self, table, prefix)
    }

    fn page(
        &self,
        table: Table,
        prefix: &[u8],
        from: &[u8],
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        Self::page(self, table, prefix, from, limit)
    }

    fn floor(&self, table: Table, prefix: &[u8], key: &[u8]) -> Result<Option<Row>, StoreError> {
        Self::floor(self, table, prefix, key)
    }
}
