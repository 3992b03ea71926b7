//! The steps for programs that use `sea-orm-migration`.

use async_trait::async_trait;
use sea_orm_migration::sea_orm::ConnectionTrait as _;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

use crate::{STEPS, Step, history, script};

/// [`STEPS`] for programs that use `sea-orm-migration`.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        STEPS.iter().map(|step| Box::new(*step) as Box<dyn MigrationTrait>).collect()
    }
}

impl MigrationName for Step {
    fn name(&self) -> &str {
        self.name
    }
}

/// Writes Quire's own record as well, so that a server and `quire-migrate` recognise steps applied this way.
#[async_trait]
impl MigrationTrait for Step {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(history::CREATE).await?;
        for message in self.messages(self.up) {
            connection.execute_unprepared(message).await?;
        }
        connection.execute_unprepared(&script::record(self)).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for message in self.messages(self.down) {
            connection.execute_unprepared(message).await?;
        }
        connection.execute_unprepared(&history::remove(self.name)).await.map(drop)
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(self.transactional)
    }
}
