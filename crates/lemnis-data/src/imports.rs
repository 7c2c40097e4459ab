//! x
use crate::{collect::Wanted, remote::*, cache::Cache, repo::Repo, error::Result};
pub(crate) fn fetch_objects(_r:&Repo,_c:&Cache,_w:&Wanted,_s:&dyn OpenStore,_p:&dyn Progress)->Result<Moved>{ Ok(Moved::default()) }
