//! The order of the crate's modules: each imports only those below it, and no files import each other in a circle.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The modules of the crate's root, from the bottom up. Each may import those before it.
const LAYERS: [&str; 17] = [
    "problem",
    "wire",
    "etag",
    "request_id",
    "response_cache",
    "response",
    "connection",
    "auth",
    "settings",
    "limiters",
    "app_state",
    "extract",
    "idempotency",
    "middleware",
    "handlers",
    "ws",
    "openapi",
];

/// Modules by their paths (`crate::wire::list`), each with those that it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

#[test]
fn each_module_imports_only_those_below_it() {
    let imports = imports();
    let root = |module: &str| module.split("::").nth(1).unwrap_or("lib").to_owned();
    let layer = |module: &str| LAYERS.iter().position(|layer| *layer == root(module));
    let mut upward = Vec::new();
    for (module, imported) in imports.iter().filter(|(module, _)| *module != "crate") {
        let own = layer(module).unwrap_or_else(|| panic!("{module} has no place in LAYERS"));
        upward.extend(
            imported
                .iter()
                .filter(|imported| layer(imported).is_none_or(|layer| layer > own))
                .map(|imported| format!("{module} imports {imported}")),
        );
    }
    assert!(upward.is_empty(), "{upward:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let circles = circles(imports());
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn imports_are_read_however_they_are_written() {
    let modules = ["crate", "crate::a", "crate::a::b", "crate::a::c", "crate::d"].map(str::to_owned).into();
    let source = "//! [`crate::d`]\nuse std::fmt;\npub(crate) use b::{self, B};\nuse crate::{d::D, a::{c::C as X}};\n\
        fn f() -> super::E { crate::d::g() } // crate::a\n#[cfg(test)]\nmod tests { use crate::a::b; }";
    let of = |module: &str, source: &str| imported(&modules, module, source).into_iter().collect::<Vec<_>>();
    assert_eq!(of("crate::a", source), ["crate", "crate::a::b", "crate::a::c", "crate::d"]);
    assert_eq!(of("crate::a::b", "use super::c::{C, self};\nuse b::B;"), ["crate::a::c"]);
    assert!(imports()["crate::openapi"].contains("crate::handlers::cells"), "the crate's own files are read");
}

#[test]
fn a_circle_is_found_and_what_leads_to_it_is_not() {
    let arrows = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("d", "e")];
    let mut imports = Imports::new();
    for (from, to) in arrows {
        imports.entry(from.to_owned()).or_default().insert(to.to_owned());
    }
    assert_eq!(circles(imports).into_keys().collect::<Vec<_>>(), ["b", "c"]);
}

/// Leaves of the modules only those that are on a circle or between two.
fn circles(mut imports: Imports) -> Imports {
    loop {
        let before = imports.values().map(BTreeSet::len).sum::<usize>() + imports.len();
        let imported: BTreeSet<_> = imports.values().flatten().cloned().collect();
        let importing: BTreeSet<_> = imports.keys().cloned().collect();
        for targets in imports.values_mut() {
            targets.retain(|target| importing.contains(target));
        }
        imports.retain(|module, targets| imported.contains(module) && !targets.is_empty());
        if imports.values().map(BTreeSet::len).sum::<usize>() + imports.len() == before {
            return imports;
        }
    }
}

/// Reads the imports of all files of the crate.
fn imports() -> Imports {
    let mut sources = BTreeMap::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), "crate", &mut sources);
    let modules = sources.keys().cloned().collect();
    sources.iter().map(|(module, source)| (module.clone(), imported(&modules, module, source))).collect()
}

fn read(folder: &Path, module: &str, sources: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            read(&path, &format!("{module}::{name}"), sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if matches!(name, "lib" | "mod") { module.to_owned() } else { format!("{module}::{name}") };
            sources.insert(module, std::fs::read_to_string(&path).unwrap());
        }
    }
}

/// The modules that a file's code imports, its tests left out.
fn imported(modules: &BTreeSet<String>, module: &str, source: &str) -> BTreeSet<String> {
    let code = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let code: String = code.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect();
    let (mut paths, mut rest) = (Vec::new(), String::new());
    for statement in code.split_inclusive(';') {
        match statement.rsplit_once("use ") {
            Some((before, tree)) if before.is_empty() || before.ends_with(['\n', ' ']) => {
                rest.push_str(before);
                expand("", tree.trim_end_matches(';'), &mut paths);
            }
            _ => rest.push_str(statement),
        }
    }
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    let inline = rest.split(|c| !is_part(c)).filter(|path| path.starts_with("crate::") || path.starts_with("super::"));
    paths.extend(inline.map(str::to_owned));
    paths.iter().filter_map(|path| resolve(modules, module, path)).filter(|imported| imported != module).collect()
}

/// Adds the paths of a tree such as `a::{b, c::{self, D}}`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let tree = tree.trim();
    let Some((before, inner)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap();
        return paths.push(format!("{prefix}{path}").trim_end_matches("::self").to_owned());
    };
    let (mut depth, prefix) = (0, format!("{prefix}{before}"));
    let inner = inner.trim().strip_suffix('}').unwrap();
    let parts = inner.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    for part in parts.filter(|part| !part.trim().is_empty()) {
        expand(&prefix, part, paths);
    }
}

/// The module that a path names or is in; none if it is of another crate.
fn resolve(modules: &BTreeSet<String>, module: &str, path: &str) -> Option<String> {
    let mut path = match path.split_once("::") {
        Some(("super", rest)) => format!("{}::{rest}", module.rsplit_once("::")?.0),
        Some(("crate", _)) => path.to_owned(),
        _ => {
            let path = format!("{module}::{path}");
            let child = path.split("::").take(module.split("::").count() + 1).collect::<Vec<_>>().join("::");
            modules.contains(&child).then_some(path)?
        }
    };
    while !modules.contains(&path) {
        path.truncate(path.rfind("::")?);
    }
    Some(path)
}
