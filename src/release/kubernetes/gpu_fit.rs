//! The GPUs that replicas of a version ask for, and those that are free for them.

use crate::{
    cluster::{
        Cluster, gpus,
        pod_needs::PodNeeds,
        workload::{self, Workload},
    },
    object::Object,
};

/// What replicas of one version ask for, against what is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GpuFit {
    resource: String,
    products: Vec<String>,
    /// GPUs of one replica.
    pub(super) each: u64,
    needed: u64,
    /// Replicas that find nodes for all their pods.
    places: u64,
    offered: gpus::Offered,
    /// All GPUs of the cluster, for people.
    summary: String,
}

/// What `replicas` more of a workload find; `None` where it asks for no GPU, or without the
/// right to list nodes and pods.
pub(super) async fn look(
    cluster: &Cluster,
    workload: &dyn Workload,
    object: &Object,
    replicas: u32,
) -> Option<GpuFit> {
    let (resource, each) = workload::gpus_each(workload, object)?;
    let needs = workload::needs(workload, object);
    let asks = |needs: &&(PodNeeds, u32)| needs.0.gpu_resource.as_ref() == Some(&resource);
    let products = needs.iter().find(asks)?.0.products.clone();
    let nodes = gpus::read(cluster).await.ok()?;
    // A replica needs a place for each of its pods; pods of unlike size are counted apart.
    let places = needs.iter().filter(asks).filter_map(|(pod, pods)| {
        let places = gpus::places(&nodes, &resource, &pod.products, pod.gpus);
        places.checked_div(u64::from(*pods))
    });
    Some(GpuFit {
        places: places.min()?,
        needed: each * u64::from(replicas),
        each,
        offered: gpus::offered(&nodes, &resource, &products),
        summary: gpus::summary(&nodes),
        resource,
        products,
    })
}

impl GpuFit {
    /// Whether all replicas find nodes.
    pub(super) fn fits(&self) -> bool {
        self.free() >= self.needed
    }

    /// GPUs that replicas of this size can have.
    pub(super) fn free(&self) -> u64 {
        self.places * self.each
    }

    /// GPUs that one replica of another workload gives back for this one's use.
    pub(super) fn given_by(&self, workload: &dyn Workload, object: &Object) -> u64 {
        let given = workload::gpus_each(workload, object);
        given
            .filter(|(resource, _)| *resource == self.resource)
            .map_or(0, |(_, count)| count)
    }

    /// `needs 2 × nvidia.com/gpu (NVIDIA-L40S), 3 of 4 free`; all there are where that is too few.
    pub(super) fn sentence(&self) -> String {
        let asked = if self.products.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.products.join(" or "))
        };
        format!(
            "needs {} × {}{asked}, {} of {} free (there are {})",
            self.needed, self.resource, self.offered.free, self.offered.allocatable, self.summary
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_what_is_there() {
        let fit = GpuFit {
            resource: "nvidia.com/gpu".to_owned(),
            products: vec!["NVIDIA-L40S".to_owned()],
            each: 1,
            needed: 2,
            places: 1,
            offered: gpus::Offered {
                allocatable: 4,
                free: 1,
                ..gpus::Offered::default()
            },
            summary: "4 × NVIDIA-L40S (1 free)".to_owned(),
        };
        assert_eq!(
            fit.sentence(),
            "needs 2 × nvidia.com/gpu (NVIDIA-L40S), 1 of 4 free (there are 4 × NVIDIA-L40S (1 free))"
        );
        assert!(!fit.fits());
    }
}
