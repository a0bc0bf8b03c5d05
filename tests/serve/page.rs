//! The page's files; what it does is for a browser to say.

use super::{default, get};

#[tokio::test]
async fn the_page_comes_from_the_binary_and_from_nowhere_else() {
    let router = default();
    let page = get(&router, "/").await;
    assert_eq!(page.status, 200);
    assert_eq!(page.headers["content-type"], "text/html; charset=utf-8");
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(
        !policy.contains("unsafe") && !policy.contains("http"),
        "{policy}"
    );
    for path in ["/style.css", "/script.js"] {
        let file = get(&router, path).await;
        assert_eq!(file.status, 200);
        assert!(page.text.contains(&format!("\"{}\"", &path[1..])), "{path}");
        // From here, and by a relative path, so that it is found under a prefix.
        assert!(!file.text.contains("http://") && !file.text.contains("https://"));
    }
    assert_eq!(get(&router, "/icon.svg").await.status, 200);
    for outside in [
        "http://",
        "https://",
        "src=\"/",
        "href=\"/",
        " style=",
        " onclick=",
    ] {
        assert!(!page.text.contains(outside), "{outside}");
    }
}
