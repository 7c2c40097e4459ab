//! The port of the model registry: rules first, then the jobs of `models.rs` and `versions.rs`.

use async_trait::async_trait;
use lemnis_core::Millis;
use lemnis_tracking::{
    Error, LATEST, ModelChange, ModelSearch, ModelVersion, NewModel, NewVersion, Page, RegisteredModel,
    Registry, Result, VersionChange, VersionSearch, rules,
};

use super::{models, served, versions};
use crate::Store;
use crate::sql::{query, query_scalar};

#[async_trait]
impl Registry for Store {
    async fn create_model(&self, new: &NewModel) -> Result<RegisteredModel> {
        rules::model_name(&new.name, "name")?;
        for tag in &new.tags {
            rules::registry_tag(&tag.key, &tag.value)?;
        }
        let new = new.clone();
        self.write::<_, Error, _>(move |connection| Box::pin(models::create(connection, new))).await
    }

    async fn get_model(&self, name: &str) -> Result<Option<RegisteredModel>> {
        let name = name.to_owned();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { models::find(connection, &name).await })
        })
        .await
    }

    async fn update_model(&self, name: &str, change: &ModelChange) -> Result<RegisteredModel> {
        if let Some(new_name) = &change.name {
            rules::model_name(new_name, "new_name")?;
        }
        let (name, change) = (name.to_owned(), change.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { models::update(connection, &name, change).await })
        })
        .await
    }

    async fn delete_model(&self, name: &str) -> Result<()> {
        let name = name.to_owned();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move {
                served::refuse_model(connection, &name).await?;
                let gone = query("DELETE FROM registered_model WHERE name = ?")
                    .bind(&name)
                    .execute(connection)
                    .await?;
                if gone == 0 { Err(Error::no_model(&name).into()) } else { Ok(()) }
            })
        })
        .await
    }

    async fn search_models(&self, search: &ModelSearch) -> Result<Page<RegisteredModel>> {
        let search = search.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(models::search(connection, search))).await
    }

    async fn set_model_tag(&self, name: &str, key: &str, value: Option<&str>) -> Result<()> {
        rules::registry_tag(key, value.unwrap_or_default())?;
        let (name, key, value) = (name.to_owned(), key.to_owned(), value.map(str::to_owned));
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { models::set_tag(connection, &name, &key, value.as_deref()).await })
        })
        .await
    }

    async fn set_alias(&self, name: &str, alias: &str, version: Option<u32>) -> Result<()> {
        match version {
            Some(_) => rules::new_alias(alias)?,
            None => rules::alias(alias)?,
        }
        let (name, alias) = (name.to_owned(), alias.to_owned());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { models::set_alias(connection, &name, &alias, version).await })
        })
        .await
    }

    async fn create_version(&self, new: &NewVersion) -> Result<ModelVersion> {
        rules::model_name(&new.name, "name")?;
        for tag in &new.tags {
            rules::registry_tag(&tag.key, &tag.value)?;
        }
        let new = new.clone();
        self.write::<_, Error, _>(move |connection| Box::pin(versions::create(connection, new))).await
    }

    async fn get_version(&self, name: &str, version: u32) -> Result<Option<ModelVersion>> {
        let name = name.to_owned();
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move { versions::find(connection, &name, version).await })
        })
        .await
    }

    async fn version_by_alias(&self, name: &str, alias: &str) -> Result<Option<ModelVersion>> {
        let (name, alias) = (name.to_owned(), alias.to_owned());
        self.read::<_, Error, _>(move |connection| {
            Box::pin(async move {
                let version: Option<u32> = if alias.eq_ignore_ascii_case(LATEST) {
                    query_scalar("SELECT max(version) FROM model_version WHERE model = ? AND NOT deleted")
                        .bind(&name)
                        .fetch_one(connection)
                        .await?
                } else {
                    query_scalar("SELECT version FROM model_alias WHERE model = ? AND alias = ?")
                        .bind(&name)
                        .bind(&alias)
                        .fetch_optional(connection)
                        .await?
                };
                match version {
                    Some(version) => versions::find(connection, &name, version).await,
                    None => Ok(None),
                }
            })
        })
        .await
    }

    async fn update_version(
        &self,
        name: &str,
        version: u32,
        change: &VersionChange,
        at_ms: Millis,
    ) -> Result<ModelVersion> {
        let (name, change) = (name.to_owned(), change.clone());
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { versions::update(connection, &name, version, change, at_ms).await })
        })
        .await
    }

    async fn delete_version(&self, name: &str, version: u32, at_ms: Millis) -> Result<()> {
        let name = name.to_owned();
        self.write::<_, Error, _>(move |connection| {
            Box::pin(async move { versions::delete(connection, &name, version, at_ms).await })
        })
        .await
    }

    async fn search_versions(&self, search: &VersionSearch) -> Result<Page<ModelVersion>> {
        let search = search.clone();
        self.read::<_, Error, _>(move |connection| Box::pin(versions::search(connection, search))).await
    }

    async fn set_version_tag(&self, name: &str, version: u32, key: &str, value: Option<&str>) -> Result<()> {
        rules::registry_tag(key, value.unwrap_or_default())?;
        let (name, key, value) = (name.to_owned(), key.to_owned(), value.map(str::to_owned));
        self.write::<_, Error, _>(move |connection| {
            Box::pin(
                async move { versions::set_tag(connection, &name, version, &key, value.as_deref()).await },
            )
        })
        .await
    }
}
