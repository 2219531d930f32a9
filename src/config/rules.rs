//! `rules`: HTTP rules that do not come from annotations.

use std::path::PathBuf;

use super::input::Input;
use super::reader::{Problems, Value, or_default};
use super::{service, value};
use crate::route;

impl Input<'_> {
    /// The rules from files, and the paths of those files.
    pub(super) fn rules(&self) -> (route::Rules, Vec<PathBuf>) {
        let section = self.section("rules", &["files", "annotations", "unannotated"]);
        let value = |key| section.and_then(|section| section.value(key));
        let files =
            value("files").map_or(Vec::new(), |files| files.one_or_more("a path", |file| file.path(self.folder)));
        let keeps = |value: &Value| value.parsed("`replace` or `keep`", value::keeps_annotations);
        let read = |file: &PathBuf| {
            let problems = Problems::new(Some(file));
            let rules = service::read(file, &problems);
            self.problems.add(problems);
            rules
        };
        let rules = route::Rules {
            selected: files.iter().flat_map(read).collect(),
            keeps_annotations: or_default(value("annotations"), keeps, false),
            maps_unannotated: or_default(value("unannotated"), Value::truth, false),
        };
        (rules, files)
    }
}
