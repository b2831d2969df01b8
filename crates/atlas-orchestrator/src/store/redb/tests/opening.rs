//! Files that are held by another, too new, damaged, or none of ours (history 17).

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use redb::{Database, ReadableDatabase, TableDefinition};

use super::*;
use crate::store::{Cursor, Key, Op, Range, StoreError};

const META: TableDefinition<&[u8], &[u8]> = TableDefinition::new("meta");
const ROWS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("rows");

async fn open(path: &Path, clock: &Arc<ManualClock>) -> Result<RedbStore, StoreError> {
    RedbStore::open(path, options(Arc::clone(clock) as Arc<dyn Clock>)).await
}

/// A closed store with some rows in it.
async fn filled(folder: &TempDir, clock: &Arc<ManualClock>) -> PathBuf {
    let path = folder.path().join("store");
    let store = open(&path, clock).await.unwrap();
    let writer = Writer::new(clock);
    for number in 0..40 {
        store.commit(writer.put(&number.to_string())).await.unwrap();
    }
    store.close().await.unwrap();
    path
}

#[tokio::test]
async fn a_second_holder_is_told_who_holds_it() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), manual());
    let path = folder.path().join("store");
    let first = open(&path, &clock).await.unwrap();
    let error = open(&path, &clock).await.unwrap_err();
    assert_eq!(error, StoreError::Held { path: path.display().to_string(), pid: Some(std::process::id()) });
    assert!(error.to_string().contains(&format!("held by process {}", std::process::id())), "{error}");
    first.close().await.unwrap();
    assert!(!folder.path().join("store.pid").exists());
    // Dropped without being closed it is let go of too.
    drop(open(&path, &clock).await.unwrap());
    open(&path, &clock).await.unwrap();
}

#[tokio::test]
async fn all_files_are_private() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), manual());
    let path = folder.path().join("state/store");
    let _store = open(&path, &clock).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["store", "store.pid", "store.reserve"]);
    assert_eq!(std::fs::metadata(folder.path().join("state/store.reserve")).unwrap().len(), 64 << 10);
}

#[tokio::test]
async fn a_newer_schema_is_refused_untouched() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), manual());
    let path = filled(&folder, &clock).await;
    {
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(META).unwrap().insert(b"schema".as_slice(), 2_u16.to_be_bytes().as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    let before = std::fs::read(&path).unwrap();
    let error = open(&path, &clock).await.unwrap_err();
    assert_eq!(error, StoreError::NewerSchema { path: path.display().to_string(), found: 2, known: 1 });
    assert!(error.to_string().contains("has schema 2, this program knows 1 at most"), "{error}");
    assert!(std::fs::read(&path).unwrap() == before, "the file was changed");
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), manual());
    let path = folder.path().join("store");
    {
        let database = Database::create(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(TableDefinition::<&str, u64>::new("meta")).unwrap().insert("schema", 1).unwrap();
        transaction.commit().unwrap();
    }
    let error = open(&path, &clock).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt { .. }), "{error}");
    let database = Database::open(&path).unwrap();
    assert_eq!(database.begin_read().unwrap().list_tables().unwrap().count(), 1);
}

/// A crash while the file was made leaves nothing in its place.
#[tokio::test]
async fn a_half_made_store_is_made_anew() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), manual());
    let path = folder.path().join("store");
    std::fs::write(folder.path().join("store.new"), "half a file").unwrap();
    let store = open(&path, &clock).await.unwrap();
    assert!(!folder.path().join("store.new").exists());
    store.commit(Writer::new(&clock).put("a")).await.unwrap();
    store.close().await.unwrap();
    // Two that make it at once: one holds it, the other is told so.
    let path = folder.path().join("raced");
    let (one, two) = tokio::join!(open(&path, &clock), open(&path, &clock));
    let refused = one.as_ref().err().or(two.as_ref().err()).expect("one is refused");
    assert!(matches!(refused, StoreError::Held { .. } | StoreError::Unavailable(_)), "{refused}");
    let held = one.or(two).expect("one holds it");
    held.commit(Writer::new(&clock).put("a")).await.unwrap();
    held.close().await.unwrap();
    let store = open(&path, &clock).await.unwrap();
    assert!(store.get(Key::Row(RowKey::session("a"))).await.unwrap().is_some());
}

/// Whatever bytes there are: an error that says so, or a store that works; no panic, no endless loop.
#[tokio::test]
async fn damaged_files_are_told_as_such() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), manual());
    let good = std::fs::read(filled(&folder, &clock).await).unwrap();
    let path = folder.path().join("damaged");
    let check = async |bytes: Vec<u8>, must_fail: bool| {
        std::fs::write(&path, bytes).unwrap();
        match open(&path, &clock).await {
            Err(error) => {
                assert!(matches!(&error, StoreError::Corrupt { .. } | StoreError::Unavailable(_)), "{error}");
                assert!(error.to_string().contains("damaged"), "{error}");
            }
            Ok(store) => {
                assert!(!must_fail);
                let _ = store.scan(Range::Rows { kind: None, phase: None }, Cursor::START, 1000).await;
                let _ = store.commit(Writer::new(&clock).put("x")).await;
                let _ = store.close().await;
            }
        }
    };
    check(b"this is no database at all, but a text that someone saved here".to_vec(), true).await;
    check(vec![0; 8192], true).await;
    for part in 1..8 {
        check(good[..good.len() * part / 8].to_vec(), false).await;
    }
    for place in (0..512).step_by(8).chain((512..good.len()).step_by(good.len() / 40)) {
        let mut bytes = good.clone();
        bytes[place..(place + 4).min(good.len())].iter_mut().for_each(|byte| *byte = !*byte);
        check(bytes, false).await;
    }
}

/// A row whose columns cannot be read is seen, cannot be overwritten, and can be taken away.
#[tokio::test]
async fn an_unreadable_row_is_shown_and_kept() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), manual());
    let path = filled(&folder, &clock).await;
    {
        let database = Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(ROWS).unwrap().insert(b"\x027".as_slice(), b"\xEEgibberish".as_slice()).unwrap();
        transaction.commit().unwrap();
    }
    let store = open(&path, &clock).await.unwrap();
    let writer = Writer::new(&clock);
    let row = store.get(Key::Row(RowKey::rental("7"))).await.unwrap().unwrap();
    assert_eq!((row.format, row.body.as_ref()), (Row::UNREADABLE, b"\xEEgibberish".as_slice()));
    let rows = store.scan(Range::Rows { kind: None, phase: None }, Cursor::START, 1000).await.unwrap();
    assert_eq!(rows.items.len(), 41);
    let put = writer.change().put(Row::new(RowKey::rental("7"), 9, ""));
    assert!(matches!(store.commit(put).await, Err(crate::store::CommitError::Newer { .. })));
    store.commit(writer.change().op(Op::Delete(RowKey::rental("7")))).await.unwrap();
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_told() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), manual());
    std::fs::write(folder.path().join("file"), "").unwrap();
    let error = open(&folder.path().join("file/store"), &clock).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(_)), "{error}");
    let error = open(folder.path(), &clock).await.unwrap_err();
    assert!(matches!(&error, StoreError::Unavailable(_)), "{error}");
}
