//! The device import and what is known of one user.

use super::client::Ask;
use super::fixture::start;
use contract::memory::Call;
use flate2::{Compression, write::GzEncoder};
use serde_json::json;
use std::io::Write;

const HEAD: &str = "user_id,platform,token,locale\n";

fn row(user: &str, n: u32) -> String {
    format!("{user},apns,{n:064x},de\n")
}

fn import(body: impl Into<Vec<u8>>) -> Ask {
    Ask::new("POST", "/v1/devices").header("content-type", "text/csv").body(body)
}

#[tokio::test]
async fn devices_are_imported_and_shown_without_their_tokens() {
    let api = start().await;
    let body = [HEAD, &row("u/1", 1), "u2,apns,short,de\n", &row("ü3", 3), &row("u/1", 4)].concat();
    let done = api.send(import(body)).await.ok();
    assert_eq!(
        (&done["rows"], &done["taken"], &done["refused"], &done["bad_lines"]),
        (&json!(4), &json!(3), &json!(0), &json!(1))
    );
    assert_eq!((&done["bad"][0]["line"], &done["bad"][0]["field"]), (&json!(3), &json!("token")));
    assert_eq!(api.get("/v1/devices").await.ok(), json!({"users": 2}));
    let dated = "user_id,platform,token,locale,registered_at\n".to_owned()
        + row("u/1", 1).trim_end()
        + ",2024-01-01T00:00:00Z\n";
    assert_eq!(api.send(import(dated)).await.ok()["taken"], 1, "a date is newer than none");
    let old = "user_id,platform,token,locale,registered_at\n".to_owned()
        + row("u/1", 1).trim_end()
        + ",2020-01-01T00:00:00Z\n";
    let again = api.send(import(old)).await.ok();
    assert_eq!((&again["taken"], &again["older"]), (&json!(0), &json!(1)));
    let user = api.get("/v1/devices/u%2F1").await.ok();
    let hash = common::device::Target::Apns([vec![0; 31], vec![1]].concat().into()).hash();
    assert_eq!(user["devices"][0]["token_hash"], format!("{hash:016x}"));
    assert_eq!(
        (&user["user"], &user["devices"][0]["registered_at"]),
        (&json!("u/1"), &json!(1_704_067_200_000_i64))
    );
    assert!(!user.to_string().contains(&"0".repeat(40)));
    assert_eq!(api.get("/v1/devices/%C3%BC3").await.status, 200);
    assert_eq!(api.get("/v1/devices/nobody").await.problem().0, 404);
    assert_eq!(api.get("/v1/devices/%20x").await.problem(), (422, "bad_field".to_owned()));
    assert_eq!(api.get("/v1/devices/%FF").await.problem(), (400, "bad_path".to_owned()));
    api.until("/v1/audit", |r| r.text().contains("devices.import")).await;
}

#[tokio::test]
async fn large_compressed_imports_go_in_chunks_and_name_refused_lines() {
    let api = start().await;
    let mut list: String = HEAD.to_owned();
    (0..120_000_u32).for_each(|n| list.push_str(&row(&format!("u{n}"), n)));
    (200_000..200_021_u32).for_each(|n| list.push_str(&row("crowd", n)));
    let mut out = GzEncoder::new(vec![], Compression::fast());
    out.write_all(list.as_bytes()).unwrap();
    let done = api.send(import(out.finish().unwrap())).await.ok();
    assert_eq!(
        (&done["taken"], &done["refused"], &done["bad"][0]["line"]),
        (&json!(120_020), &json!(1), &json!(120_022))
    );
    assert_eq!(api.parts.faults.count(Call::DevicesUpsert), 3);
}

#[tokio::test]
async fn faults_of_the_whole_file_and_of_the_table_are_problems() {
    let api = start().await;
    let reply = api.send(import("user_id,platform,token,locale,optd_out\n")).await;
    assert_eq!(reply.problem(), (400, "list_header".to_owned()));
    assert!(reply.text().contains("optd_out"));
    assert_eq!(api.send(import("")).await.problem(), (400, "list_empty".to_owned()));
    api.parts.faults.fail_next(Call::DevicesUpsert, 1);
    assert_eq!(api.send(import([HEAD, &row("a", 1)].concat())).await.problem().0, 503);
    let late = [HEAD.to_owned(), (0..60_000).map(|n| row(&format!("u{n}"), n)).collect(), "x,\"".to_owned()]
        .concat();
    let reply = api.send(import(late)).await;
    assert_eq!(reply.problem(), (400, "list_open_quote".to_owned()));
    assert!(reply.text().contains("50000 or more rows"), "{}", reply.text());
}
