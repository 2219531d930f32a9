//! The document as a whole: its description, its paths, and the components that these refer to.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::annotations::{SwaggerInfo, swagger, tag};
use super::errors::{self, Class};
use super::operation::{Entry, operation};
use super::path::Path;
use super::schemas::Schemas;
use super::security::{self, Certificate};
use crate::format::template::Template;
use crate::gateway::Config;
use crate::route::Routes;
use crate::route::policy::Form;
use crate::schema::{DescriptorSource, Imports, Remarks};

/// The inputs of a document.
pub struct Api<'a> {
    pub routes: &'a Routes,
    /// The comments and options of the descriptors.
    pub remarks: &'a Remarks,
    /// The settings for reading and answering requests.
    pub config: &'a Config,
    /// Whether callers present a certificate; `None` if they are not asked for one.
    pub certificate: Option<Certificate>,
}

/// The sources of descriptors.
#[derive(Debug, Clone, Default)]
pub struct Descriptors {
    /// `.proto` files, folders of `.proto` files, and descriptor sets.
    pub paths: Vec<PathBuf>,
    /// Folders to search for imports, and how.
    pub imports: Imports,
}

impl Descriptors {
    /// The comments and options of the descriptors, which are read again for this.
    #[must_use]
    pub fn remarks(&self) -> Remarks {
        let sources: Vec<DescriptorSource> = self.paths.iter().cloned().map(DescriptorSource::Path).collect();
        Remarks::read(&sources, &self.imports)
    }
}

/// The methods in OpenAPI for a rule that matches any method.
const ANY_METHOD: [&str; 5] = ["get", "put", "post", "delete", "patch"];
/// The methods that a path item of OpenAPI can have.
const METHODS: [&str; 8] = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];
const VERSION: &str = "3.1.0";

/// Builds the OpenAPI document of the routes.
#[must_use]
pub fn document(api: &Api<'_>) -> Value {
    let entries = entries(api.routes);
    // All rpcs have the same rules.
    let checks = api.routes.all().iter().find_map(|route| route.rpc.validation.as_ref());
    let mut schemas = Schemas::new(api.remarks, checks.map(|validated| &validated.checks));
    let paths = paths(&mut schemas, api, &entries);
    let tags = tags(&schemas, &entries);
    let mut document = Map::new();
    let mut put = |name: &str, value: Value| drop(document.insert(name.to_owned(), value));
    put("openapi", json!(VERSION));
    put("info", info(api, &entries));
    put("servers", json!([{ "url": "/" }]));
    put("security", security::of_all(api.certificate));
    put("tags", tags);
    put("paths", Value::Object(paths));
    put("components", components(api, schemas.finish(), &entries));
    Value::Object(document)
}

fn components(api: &Api<'_>, schemas: BTreeMap<String, Value>, entries: &[Entry<'_>]) -> Value {
    let mut forms: Vec<Form> = Vec::new();
    for entry in entries {
        let form = entry.route.rpc.policy.errors.form;
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    let of_form = |form: &Form| {
        let form = *form;
        Class::ALL.map(|class| (errors::response_name(form, class), errors::response(form, class)))
    };
    let responses: BTreeMap<String, Value> = forms.iter().flat_map(of_form).collect();
    let bodies = forms.iter().map(|form| (errors::name(*form).to_owned(), errors::schema(*form)));
    let schemas: BTreeMap<String, Value> = schemas.into_iter().chain(bodies).collect();
    let mut components = json!({ "schemas": schemas, "responses": responses });
    if let Some(schemes) = security::schemes(api.certificate, entries) {
        components["securitySchemes"] = schemes;
    }
    components
}

/// The routes, each with an id for its operation: `Service_Method`, with a number unless it is the first of its rpc.
fn entries(routes: &Routes) -> Vec<Entry<'_>> {
    let short = |name: &str| {
        let mut parts = name.rsplitn(3, '.');
        let (method, service) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if service.is_empty() { method.to_owned() } else { format!("{service}_{method}") }
    };
    let is_shared =
        |name: &str| routes.all().iter().any(|other| other.rpc.name != name && short(&other.rpc.name) == short(name));
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all = Vec::new();
    for route in routes.all() {
        // This cannot fail: the template was parsed when the route was built.
        let Ok(template) = Template::parse(&route.template) else { continue };
        let count = counts.entry(&route.rpc.name).or_default();
        *count += 1;
        let name = &route.rpc.name;
        let name = if is_shared(name) { name.replace('.', "_") } else { short(name) };
        let id = if *count == 1 { name } else { format!("{name}_{count}") };
        let path = Path::of(&template, &route.rpc.input);
        all.push(Entry { route, template, path, id });
    }
    all
}

fn paths(schemas: &mut Schemas<'_>, api: &Api<'_>, entries: &[Entry<'_>]) -> Map<String, Value> {
    let mut shapes: BTreeMap<&str, Vec<&Entry<'_>>> = BTreeMap::new();
    for entry in entries {
        shapes.entry(&entry.path.shape).or_default().push(entry);
    }
    let mut paths: BTreeMap<String, Value> = BTreeMap::new();
    for entries in shapes.values() {
        let names = names(&entries[0].path);
        paths.insert(entries[0].path.named(&names), item(schemas, api, entries, &names));
    }
    paths.into_iter().collect()
}

/// The names of the variables of a path, made unique.
fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for part in &path.parts {
        let mut name = part.name.clone();
        while names.contains(&name) {
            name.push('_');
        }
        names.push(name);
    }
    names
}

/// The path item of one path: all its operations.
fn item(schemas: &mut Schemas<'_>, api: &Api<'_>, entries: &[&Entry<'_>], names: &[String]) -> Value {
    let mut methods: Vec<String> = entries.iter().map(|entry| entry.route.method.to_ascii_lowercase()).collect();
    methods.sort_by_key(|method| (METHODS.iter().position(|known| known == method), method.clone()));
    methods.dedup();
    let (mut item, mut others) = (Map::new(), Map::new());
    for method in &methods {
        let of_it: Vec<&Entry<'_>> =
            entries.iter().copied().filter(|entry| entry.route.method.eq_ignore_ascii_case(method)).collect();
        let mut made = operation(schemas, api.config, &of_it, names);
        if let Some(security) = security::of_operation(api.certificate, &of_it) {
            made["security"] = security;
        }
        if method == "*" {
            for any in ANY_METHOD.iter().filter(|any| !methods.iter().any(|method| method == *any)) {
                let mut made = made.clone();
                made["operationId"] = json!(format!("{}_{any}", of_it[0].id));
                // RFC 9110, section 9.3.1: content in a GET has no defined meaning.
                if *any == "get" {
                    made.as_object_mut().map(|made| made.remove("requestBody"));
                }
                item.insert((*any).to_owned(), made);
            }
        } else if METHODS.contains(&method.as_str()) {
            item.insert(method.clone(), made);
        } else {
            others.insert(of_it[0].route.method.clone(), made);
        }
    }
    if !others.is_empty() {
        item.insert("x-additionalOperations".to_owned(), Value::Object(others));
    }
    Value::Object(item)
}

/// One tag per service, with its documentation.
fn tags(schemas: &Schemas<'_>, entries: &[Entry<'_>]) -> Value {
    let mut tags: BTreeMap<&str, String> = BTreeMap::new();
    for entry in entries {
        let Some((service, _)) = entry.route.rpc.name.rsplit_once('.') else { continue };
        let remark = schemas.remark(service);
        let said = tag(remark).description;
        let comment = remark.map(|remark| remark.comment.clone()).unwrap_or_default();
        let description = if said.is_empty() { comment } else { said };
        tags.insert(service.rsplit('.').next().unwrap_or(service), description);
    }
    let tag = |(name, description): (&str, String)| match description.is_empty() {
        true => json!({ "name": name }),
        false => json!({ "name": name, "description": description }),
    };
    tags.into_iter().map(tag).collect()
}

/// The info object: title, version and description of the API.
fn info(api: &Api<'_>, entries: &[Entry<'_>]) -> Value {
    let SwaggerInfo { title, description, terms_of_service, contact, license, version } =
        swagger(api.remarks.files()).info.unwrap_or_default();
    let mut packages: Vec<&str> = entries.iter().filter_map(|entry| package(&entry.route.rpc.name)).collect();
    packages.sort_unstable();
    packages.dedup();
    let own = if packages.is_empty() { "API".to_owned() } else { packages.join(", ") };
    // The last part of a package may be the version of the API, as in `shop.v1`.
    let versions = packages.iter().filter_map(|package| package.rsplit('.').next());
    let versions: Vec<&str> = versions.filter(|last| is_version(last)).collect();
    let own_version = versions.first().copied().unwrap_or("unversioned");
    let mut info = Map::new();
    let mut put = |name: &str, value: Value| drop(info.insert(name.to_owned(), value));
    put("title", json!(if title.is_empty() { own } else { title }));
    put("version", json!(if version.is_empty() { own_version } else { &version }));
    for (name, text) in [("description", description), ("termsOfService", terms_of_service)] {
        if !text.is_empty() {
            put(name, json!(text));
        }
    }
    if let Some(contact) = contact {
        put("contact", said([("name", contact.name), ("url", contact.url), ("email", contact.email)]));
    }
    if let Some(license) = license.filter(|license| !license.name.is_empty()) {
        put("license", said([("name", license.name), ("url", license.url), ("identifier", String::new())]));
    }
    Value::Object(info)
}

fn said(members: [(&str, String); 3]) -> Value {
    members
        .into_iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| (name.to_owned(), json!(text)))
        .collect()
}

fn package(rpc: &str) -> Option<&str> {
    let (service, _) = rpc.rsplit_once('.')?;
    Some(service.rsplit_once('.')?.0)
}

fn is_version(part: &str) -> bool {
    part.strip_prefix('v').is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
}
