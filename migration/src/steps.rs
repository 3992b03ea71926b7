//! The list of steps. New steps are appended; published ones are never edited, removed or reordered.

use crate::step::{Kind, Step};

macro_rules! step {
    ($name:literal, $kind:expr) => {
        Step {
            name: $name,
            kind: $kind,
            up: include_str!(concat!("steps/", $name, "/up.sql")),
            down: include_str!(concat!("steps/", $name, "/down.sql")),
            transactional: true,
        }
    };
}

/// The steps that lead to the schema of this build, in order.
pub static STEPS: &[Step] = &[
    step!("m20261125_090000_users", Kind::Compatible),
    step!("m20261125_090100_notebooks", Kind::Compatible),
    step!("m20261125_090200_cells", Kind::Compatible),
    step!("m20261125_090300_cell_outputs", Kind::Compatible),
    step!("m20261125_090400_write_probe", Kind::Compatible),
    step!("m20261125_150000_idempotency_keys", Kind::Compatible),
    step!("m20261130_080000_notebook_lives", Kind::Compatible),
    step!("m20261130_110000_fewer_checks", Kind::Compatible),
    step!("m20261130_170000_servers", Kind::Compatible),
    step!("m20261130_210000_runs", Kind::Compatible),
    step!("m20261130_210100_reactive", Kind::Compatible),
    step!("m20261130_220000_kernels", Kind::Compatible),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;

    use super::STEPS;

    #[test]
    fn names_are_dated_and_in_order() {
        for step in STEPS {
            let (date, rest) = step.name.split_at(16);
            let form: String = date.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
            assert_eq!(form, "m00000000_000000", "{}", step.name);
            assert!(rest.strip_prefix('_').is_some_and(|what| !what.is_empty()), "{}", step.name);
        }
        assert!(STEPS.is_sorted_by(|a, b| a.name < b.name), "what is unknown is judged by whether it is later");
    }

    #[test]
    fn every_folder_is_a_step() {
        let folders = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/steps")).unwrap();
        let folders = folders.map(|entry| entry.unwrap()).filter(|entry| entry.file_type().unwrap().is_dir());
        let folders: BTreeSet<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert_eq!(folders, STEPS.iter().map(|step| step.name.to_owned()).collect());
    }
}
