//! The page that shows an OpenAPI document: Swagger UI from `assets/swagger-ui`, and the code that starts it.
//!
//! All files are embedded in the binary, and the page loads nothing from elsewhere.

use bytes::Bytes;
use http::HeaderValue;

use super::document::{Api, document};
use super::yaml::to_yaml;
use crate::format::reserved::ReservedPath;
use crate::gateway::{StaticFile, StaticFiles};

/// The `Content-Security-Policy`: the page loads its own files only. Swagger UI's style sheet contains icons as `data:`
/// URLs.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                          base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The name of the index page. It is empty, so that its URL is the path with a slash at its end.
pub const INDEX: &str = "";

/// The files of the page on the admin port. That page makes no calls: browsers do not allow it to call another origin.
#[must_use]
pub fn on_admin_port() -> Vec<StaticFile> {
    [html(include_bytes!("../../../assets/openapi-page/admin.html"))].into_iter().chain(files()).collect()
}

/// The page, its files and the document, at a path of the listener. That page can make calls.
#[must_use]
pub fn on_listener(path: ReservedPath, api: &Api<'_>) -> StaticFiles {
    let document = document(api);
    let json = StaticFile::new("openapi.json", "application/json", format!("{document:#}\n").into());
    let yaml = StaticFile::new("openapi.yaml", "application/yaml", to_yaml(&document).into());
    let pages = [html(include_bytes!("../../../assets/openapi-page/listener.html")), json, yaml];
    StaticFiles::new(path, HeaderValue::from_static(POLICY), pages.into_iter().chain(files()).collect())
}

fn html(text: &'static [u8]) -> StaticFile {
    StaticFile::new(INDEX, HTML, Bytes::from_static(text))
}

fn files() -> [StaticFile; 3] {
    let script = Bytes::from_static(include_bytes!("../../../assets/swagger-ui/swagger-ui-bundle.js.gz"));
    let style = Bytes::from_static(include_bytes!("../../../assets/swagger-ui/swagger-ui.css.gz"));
    let start = Bytes::from_static(include_bytes!("../../../assets/openapi-page/start.js"));
    [
        StaticFile::new("swagger-ui-bundle.js", SCRIPT, script).compressed(),
        StaticFile::new("swagger-ui.css", STYLE, style).compressed(),
        StaticFile::new("start.js", SCRIPT, start),
    ]
}
