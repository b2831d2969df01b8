//! Mock clouds from a configuration: `providers: { sandbox: { kind: mock, price_per_hour: "0.50", settings: { startup: 5s } } }`.

use std::sync::Arc;

use atlas_core::{BuildContext, Money, Provider, ProviderFactory, ProviderId, Result, Settings, duration};

use crate::mock::Mock;

const SETTINGS: &[&str] = &["price_per_hour", "startup"];

/// Builds accounts of the kind `mock`: each a cloud of its own, which lives as long as the process and follows its clock.
pub fn factory() -> impl ProviderFactory {
    MockFactory
}

#[derive(Debug)]
struct MockFactory;

impl ProviderFactory for MockFactory {
    fn kind(&self) -> &'static str {
        "mock"
    }

    fn settings(&self) -> &'static [&'static str] {
        SETTINGS
    }

    fn build(&self, id: &ProviderId, settings: &Settings, context: &BuildContext) -> Result<Arc<dyn Provider>> {
        settings.only(self.kind(), SETTINGS)?;
        let mut builder = Mock::builder().clock(context.clock.clone());
        if let Some(price) = settings.text("price_per_hour") {
            let price = Money::parse(price).map_err(|error| error.context(format!("{id}: price_per_hour")))?;
            builder = builder.price_per_hour(price);
        }
        if let Some(startup) = settings.text("startup") {
            builder =
                builder.startup(duration::parse(startup).map_err(|error| error.context(format!("{id}: startup")))?);
        }
        Ok(Arc::new(builder.build_as(id.clone())))
    }
}
