//! Files, in both dialects that have them.

use serde_json::Value;
use t5_gpu::serve::Settings;

use super::{Answer, default, get, multipart, post, post_form, service};

const TEXT: &[u8] = "\u{feff}Hello\r\n\r\n  world\n".as_bytes();

fn libre(name: &str, content: &[u8]) -> (&'static str, Vec<u8>) {
    multipart(&[
        ("file", Some(name), content),
        ("source", None, b"en"),
        ("target", None, b"de"),
    ])
}

#[tokio::test]
async fn a_file_is_translated_and_fetched() {
    let router = default();
    let (kind, body) = libre("../my letter.TXT", TEXT);
    let answer = post(&router, "/translate_file", kind, body).await.ok();
    let url = answer["translatedFileUrl"].as_str().unwrap();
    let path = url.strip_prefix("http://localhost").unwrap();
    assert!(
        path.starts_with("/download_file/") && path.ends_with(".my_letter.TXT"),
        "{path}"
    );
    let file = get(&router, path).await;
    assert_eq!(file.text, "\u{feff}HELLO\r\n\r\n  WORLD\n");
    assert_eq!(
        file.headers["content-disposition"],
        "attachment; filename=\"my_letter.TXT\""
    );
}

#[tokio::test]
async fn files_that_cannot_be_are_refused() {
    let router = default();
    for (name, content, words) in [
        ("a.exe", TEXT, "Invalid request: file format not supported"),
        ("", TEXT, "Invalid request: empty file"),
        (
            "a.txt",
            b"\xff\xfe\x00",
            "Invalid request: the file is not UTF-8 text",
        ),
    ] {
        let (kind, body) = libre(name, content);
        let answer = post(&router, "/translate_file", kind, body).await;
        assert_eq!(answer.error(400), words);
    }
    let answer = post_form(&router, "/translate_file", "source=en&target=de").await;
    assert_eq!(answer.error(400), "Invalid request: missing file parameter");
    let (kind, body) = multipart(&[("file", Some("a.txt"), TEXT), ("source", None, b"en")]);
    let answer = post(&router, "/translate_file", kind, body).await;
    assert_eq!(
        answer.error(400),
        "Invalid request: missing target parameter"
    );
    for path in [
        "/download_file/no.txt",
        "/download_file/..%2f..%2fetc%2fpasswd",
    ] {
        assert_eq!(get(&router, path).await.error(404), "Not found");
    }
    let router = service(Settings {
        files: false,
        ..Settings::default()
    });
    let (kind, body) = libre("a.txt", TEXT);
    let answer = post(&router, "/translate_file", kind, body).await;
    assert_eq!(
        answer.error(403),
        "Files translation are disabled on this server."
    );
}

/// The last state of a document.
async fn settled(router: &axum::Router, id: &str, key: &str) -> Value {
    for _ in 0..100 {
        let form = format!("document_key={key}");
        let state = post_form(router, &format!("/v2/document/{id}"), &form)
            .await
            .ok();
        if state["status"] != "translating" {
            return state;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it takes too long");
}

async fn upload(router: &axum::Router, name: &str, content: &[u8], target: &str) -> Answer {
    let (kind, body) = multipart(&[
        ("target_lang", None, target.as_bytes()),
        ("source_lang", None, b"EN"),
        ("file", Some(name), content),
    ]);
    post(router, "/v2/document", kind, body).await
}

#[tokio::test]
async fn a_document_is_uploaded_watched_and_fetched_once() {
    let router = default();
    let made = upload(&router, "a.txt", TEXT, "DE").await.ok();
    let (id, key) = (
        made["document_id"].as_str().unwrap(),
        made["document_key"].as_str().unwrap(),
    );
    let state = settled(&router, id, key).await;
    assert_eq!(state["status"], "done");
    assert_eq!(state["billed_characters"], 18);
    assert_eq!(state["document_id"], id);
    let path = format!("/v2/document/{id}/result");
    let wrong = post_form(&router, &path, "document_key=other").await;
    assert_eq!(wrong.message(404), "Not found");
    let form = format!("document_key={key}");
    let file = post_form(&router, &path, &form).await;
    assert_eq!(file.text, "\u{feff}HELLO\r\n\r\n  WORLD\n");
    assert_eq!(
        post_form(&router, &path, &form).await.message(404),
        "Not found"
    );
}

#[tokio::test]
async fn a_document_that_fails_says_so() {
    let router = default();
    let made = upload(&router, "a.txt", b"broken", "DE").await.ok();
    let (id, key) = (
        made["document_id"].as_str().unwrap(),
        made["document_key"].as_str().unwrap(),
    );
    let state = settled(&router, id, key).await;
    assert_eq!(state["status"], "error");
    assert!(state["message"].as_str().unwrap().contains("on fire"));
    upload(&router, "a.docx", TEXT, "DE").await.message(400);
    upload(&router, "a.txt", b"\xff", "DE").await.message(400);
    upload(&router, "a.txt", TEXT, "XX").await.message(400);
}
