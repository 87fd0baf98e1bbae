//! What a pod asks of a node's accelerators (pure). Every way to share a GPU comes down to one
//! [`DeviceRequest`]: the code that renders pods or counts devices knows nothing else of sharing.

use std::collections::BTreeMap;

use super::{
    checked::{Hardware, Share},
    quantity::Quantity,
};

/// The devices of one pod.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceRequest {
    /// Extended resources of the engine's container; the limit is the request.
    pub limits: BTreeMap<String, u32>,
    /// Claims of dynamic resource allocation.
    pub claims: Vec<DeviceClaim>,
    /// Labels that the node must have.
    pub node_labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    /// Variables of the engine's container.
    pub environment: BTreeMap<String, String>,
    /// GPU products that will do; empty for any.
    pub products: Vec<String>,
    /// Memory of the slice that the engine may use; `None` for whole devices.
    pub memory: Option<Quantity>,
}

/// A claim that is made from a `ResourceClaimTemplate`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceClaim {
    pub name: String,
    pub template: String,
}

impl Hardware {
    /// What each pod of a replica asks for.
    pub fn devices(&self) -> DeviceRequest {
        if self.gpus == 0 {
            return DeviceRequest::default();
        }
        DeviceRequest {
            limits: BTreeMap::from([(self.resource.clone(), self.gpus)]),
            products: self.products.clone(),
            memory: self.share.as_ref().and_then(Share::memory),
            ..DeviceRequest::default()
        }
    }
}

/// How a MIG profile starts the resource's name, and what single-strategy nodes add to the
/// product's label.
const MIG_RESOURCE: &str = "nvidia.com/mig-";
const MIG_SINGLE: &str = "-MIG-";

impl Share {
    /// What the device plugin calls such a part.
    pub(super) fn resource(&self) -> String {
        match self {
            // `1g.10gb+me`: a plus sign cannot be part of a resource's name.
            Self::Mig(profile) => format!("{MIG_RESOURCE}{}", profile.replace('+', ".")),
        }
    }

    /// Its memory: the profile says it in gigabytes.
    fn memory(&self) -> Option<Quantity> {
        let Self::Mig(profile) = self;
        let (_, rest) = profile.split_once("g.")?;
        let (gigabytes, _) = rest.split_once("gb")?;
        format!("{gigabytes}G").parse().ok()
    }

    /// Whether it is the name of a part that there can be: `1g.10gb`, `1g.10gb+me`.
    pub(super) fn is_valid(&self) -> bool {
        let Self::Mig(profile) = self;
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let Some((slices, rest)) = profile.split_once("g.") else {
            return false;
        };
        let Some((gigabytes, extra)) = rest.split_once("gb") else {
            return false;
        };
        digits(slices)
            && digits(gigabytes)
            && matches!(extra, "" | "+me")
            && self.memory().is_some()
    }
}

/// Whether a node with such a product label offers its slices as whole GPUs: the single
/// strategy names the slice in the label and `nvidia.com/gpu` as resource.
pub(super) fn is_single_strategy(product: &str) -> bool {
    product.contains(MIG_SINGLE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mig_profile_names_its_resource_and_its_memory() {
        for (profile, resource, memory) in [
            ("1g.10gb", "nvidia.com/mig-1g.10gb", "10G"),
            ("3g.71gb", "nvidia.com/mig-3g.71gb", "71G"),
            ("1g.10gb+me", "nvidia.com/mig-1g.10gb.me", "10G"),
        ] {
            let share = Share::Mig(profile.to_owned());
            assert!(share.is_valid(), "{profile}");
            assert_eq!(share.resource(), resource);
            assert_eq!(share.memory().unwrap().as_str(), memory);
        }
        for wrong in [
            "",
            "10gb",
            "1g",
            "1g.gb",
            "g.10gb",
            "1g.10gb+x",
            "1g.10gib",
            "1g.10gb me",
        ] {
            assert!(!Share::Mig(wrong.to_owned()).is_valid(), "{wrong}");
        }
    }
}
