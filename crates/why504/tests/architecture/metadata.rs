//! What cargo knows of the workspace.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// `cargo metadata`, and the names of the members.
pub(crate) struct Workspace {
    metadata: Value,
}

/// The direct dependencies of a crate.
#[derive(Default)]
pub(crate) struct Dependencies {
    /// Crates of ours, without the `why504-` in front.
    pub(crate) ours: BTreeSet<String>,
    /// The same for dev- and build-dependencies.
    pub(crate) ours_in_tests: BTreeSet<String>,
    /// Crates of others that are part of the product.
    pub(crate) foreign: BTreeSet<String>,
}

impl Workspace {
    pub(crate) fn load(root: &Path) -> Self {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--filter-platform=host-tuple", "--locked"])
            .current_dir(root)
            .output()
            .expect("cargo runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "cargo metadata: {complaint}");
        Self { metadata: serde_json::from_slice(&output.stdout).expect("cargo prints JSON") }
    }

    fn packages(&self) -> impl Iterator<Item = &Value> {
        self.metadata["packages"].as_array().into_iter().flatten()
    }

    /// Members of the workspace come from a path, everything else from a registry.
    fn members(&self) -> impl Iterator<Item = &Value> {
        self.packages().filter(|package| package["source"].is_null())
    }

    /// Names of the members, without the `why504-` in front.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.members().map(|package| short(text(package, "name"))).collect()
    }

    /// What a member depends on directly.
    pub(crate) fn dependencies(&self, member: &str) -> Dependencies {
        let package = self.members().find(|p| short(text(p, "name")) == member);
        let mut found = Dependencies::default();
        for dependency in package.and_then(|p| p["dependencies"].as_array()).into_iter().flatten() {
            let name = text(dependency, "name");
            let product = dependency["kind"].is_null();
            match (dependency["path"].is_string(), product) {
                (true, true) => found.ours.insert(short(name).to_owned()),
                (true, false) => found.ours_in_tests.insert(short(name).to_owned()),
                (false, true) => found.foreign.insert(name.to_owned()),
                (false, false) => false,
            };
        }
        found
    }

    /// Packages whose declared Rust is newer than the workspace's.
    pub(crate) fn newer_than_promised(&self) -> Vec<String> {
        let promised =
            self.members().filter_map(version).min().expect("the workspace declares a Rust");
        self.packages()
            .filter(|package| version(package).is_some_and(|needed| needed > promised))
            .map(|package| format!("{} {}", text(package, "name"), package["rust_version"]))
            .collect()
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn short(name: &str) -> &str {
    name.strip_prefix("why504-").unwrap_or(name)
}

/// `1.95` and `1.95.0` are the same.
fn version(package: &Value) -> Option<[u32; 3]> {
    let mut numbers = package["rust_version"].as_str()?.split('.').map(|n| n.parse().unwrap_or(0));
    Some(std::array::from_fn(|_| numbers.next().unwrap_or(0)))
}
