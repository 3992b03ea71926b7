//! The list of steps. New ones go to the end; published ones are never edited, removed or put in another order.

use sea_orm_migration::{MigrationTrait, MigratorTrait};

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

/// The steps that lead to the schema of this build, in their order.
pub static STEPS: &[Step] = &[
    step!("m20261125_090000_users", Kind::Breaking),
    step!("m20261125_090100_notebooks", Kind::Breaking),
    step!("m20261125_090200_cells", Kind::Breaking),
    step!("m20261125_090300_cell_outputs", Kind::Breaking),
    step!("m20261125_090400_write_probe", Kind::Breaking),
];

/// [`STEPS`] for programs that use `sea-orm-migration`.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        STEPS.iter().map(|step| Box::new(*step) as Box<dyn MigrationTrait>).collect()
    }
}
