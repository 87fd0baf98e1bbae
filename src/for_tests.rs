//! What the tests, benches and fuzz targets of this repository use; not an interface.

pub mod canary {
    pub use crate::canary::{
        CanaryRun, Chosen, Error, Event, Measure, Observed, Reading, RunEnd, Verdict, end,
    };
    pub mod cluster {
        pub use crate::canary::cluster::Locked;
        pub mod counters {
            pub use crate::canary::cluster::counters::Counters;
        }
    }
    pub mod evidence {
        pub use crate::canary::evidence::{MetricBlock, Moments};
    }
    pub mod failures {
        pub use crate::canary::failures::Requests;
    }
    pub mod fleet {
        pub use crate::canary::fleet::SiteFleet;
    }
    pub mod journal {
        pub use crate::canary::journal::Journal;
    }
    pub mod judge {
        pub use crate::canary::judge::{Block, Decision, Judge, Rules};
    }
    pub mod pair {
        pub use crate::canary::pair::Arm;
    }
    pub mod plan {
        pub use crate::canary::plan::{Asked, OnInterrupt, OnUndecided, Plan};
    }
    pub mod sample {
        pub use crate::canary::sample::Outcome;
    }
}
pub mod cli {
    pub use crate::cli::command;
}
pub mod cluster {
    pub use crate::cluster::{Cluster, Error};
    pub mod apply {
        pub use crate::cluster::apply::{Apply, apply, scale};
    }
    pub mod inventory {
        pub use crate::cluster::inventory::{MANAGED_BY, RELEASE, VERSION, delete, find};
    }
    pub mod lease {
        pub use crate::cluster::lease::{Lock, lock};
    }
    pub mod scale {
        pub use crate::cluster::scale::{FLOOR, floor_at, unfloor};
    }
    pub mod workload {
        pub use crate::cluster::workload::list;
    }
}
pub mod explain {
    pub use crate::explain::{Explain, Kind};
}
pub mod home {
    pub use crate::home::Home;
}
pub mod interrupt {
    pub use crate::interrupt::{EndedBy, Interrupt};
}
pub mod load {
    pub mod sse {
        pub use crate::load::sse::Parser;
    }
}
pub mod local {
    pub use crate::local::{
        Client, Engine, Error, Launch, Observation, Phase, SessionKey, Split, SplitChange,
        VersionState,
    };
}
pub mod model {
    pub use crate::model::tensors_of;
}
pub mod name {
    pub use crate::name::{ReleaseName, VersionId};
}
pub mod object {
    pub use crate::object::{KINDS, Object};
    pub mod kind {
        pub use crate::object::kind::{DEPLOYMENT, LEADER_WORKER_SET, POD};
    }
    pub mod kinds {
        pub use crate::object::kinds::{KINDS, Presence, Reach};
    }
}
pub mod pack {
    pub use crate::pack::files_in_archive;
}
pub mod registry {
    pub use crate::registry::{
        BlobOutcome, BlobSource, Descriptor, Digest, Error, Execution, ImageConfig, Index, Layout,
        Location, Manifest, Options, Platform, Reason, Reference, RootFs, Store, Transfer,
    };
    pub mod media_type {
        pub use crate::registry::media_type::{
            IMAGE_CONFIG, IMAGE_INDEX, IMAGE_LAYER, IMAGE_MANIFEST,
        };
    }
    pub mod source {
        pub use crate::registry::source::Bytes;
    }
}
pub mod release {
    pub use crate::release::Error;
    pub mod event {
        pub use crate::release::event::{Deployed, Event};
    }
    pub mod kubernetes {
        pub use crate::release::kubernetes::{
            ClusterSite, Pace, RevisionSpec, WantedObjects, delete, history, status,
        };
    }
    pub mod lifecycle {
        pub use crate::release::lifecycle::{Aim, Goal, Options, Run, Site, Wanted, finish, reach};
    }
    pub mod record {
        pub use crate::release::record::Entry;
    }
}
pub mod render {
    pub use crate::render::{PARTS, Rendered, Role, Template};
}
pub mod slo {
    pub use crate::slo::Gate;
}
pub mod spec {
    pub use crate::spec::{OnFailure, Surge, parse};
}
pub mod traffic {
    pub use crate::traffic::{
        Acceptance, Change, ClusterRouter, Error, Pace, Router, Split, VersionHeader,
        point_service, service_target,
    };
    pub mod route {
        pub use crate::traffic::route::find;
        pub mod annotations {
            pub use crate::traffic::route::annotations::{JOURNAL, RUN};
        }
    }
}
pub mod weight {
    pub use crate::weight::Weight;
}
pub mod yaml {
    pub use crate::yaml::parse_all;
}
