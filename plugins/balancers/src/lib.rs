//! Loss balancers: how several losses become one step. One component a file.
//!
//! **Balancers of losses** weigh the losses and go back once, over the weighted sum: [`equal`], [`fixed`],
//! [`uncertainty`], [`dwa`], [`rlw`], [`gls`], [`famo`], [`stch`].
//!
//! **Balancers of gradients** go back once for each loss, over the shared graph, and combine what arrives at the shared
//! parameters: [`gradnorm`], [`pcgrad`], [`gradvac`], [`cagrad`], [`mgda`], [`imtl_g`], [`nash_mtl`], [`aligned_mtl`],
//! [`upgrad`], [`fairgrad`], [`db_mtl`], [`sdmgrad`], [`moco`], [`excess_mtl`]. Most of them need only the K x K products
//! of the losses' gradients with one another ([`gradients`]); none needs a second derivative. Parameters that a single loss
//! has to itself get that loss's own gradient, unweighted, as in TorchJD and in most methods of LibMTL; there Nash-MTL,
//! FairGrad and ExcessMTL go back over the weighted sum, which weighs them, too, and DB-MTL gives them the gradient of the
//! loss's logarithm.
//!
//! The factors of different balancers have different sums (each says which); where one takes the place of another in a
//! running loop, the size of a step may jump by up to K.

pub mod gradients;
pub mod linear_algebra;
pub mod losses;
pub mod simplex;

pub mod aligned_mtl;
pub mod cagrad;
pub mod db_mtl;
pub mod dwa;
pub mod equal;
pub mod excess_mtl;
pub mod fairgrad;
pub mod famo;
pub mod fixed;
pub mod gls;
pub mod gradnorm;
pub mod gradvac;
pub mod imtl_g;
pub mod mgda;
pub mod moco;
pub mod nash_mtl;
pub mod pcgrad;
pub mod rlw;
pub mod sdmgrad;
pub mod stch;
pub mod uncertainty;
pub mod upgrad;

pub use aligned_mtl::AlignedMtl;
pub use cagrad::CaGrad;
pub use db_mtl::DbMtl;
pub use dwa::Dwa;
pub use equal::Equal;
pub use excess_mtl::ExcessMtl;
pub use fairgrad::FairGrad;
pub use famo::Famo;
pub use fixed::Fixed;
pub use gls::Gls;
pub use gradnorm::GradNorm;
pub use gradvac::GradVac;
pub use imtl_g::ImtlG;
pub use mgda::Mgda;
pub use moco::MoCo;
pub use nash_mtl::NashMtl;
pub use pcgrad::PcGrad;
pub use rlw::Rlw;
pub use sdmgrad::SdmGrad;
pub use stch::Stch;
pub use uncertainty::Uncertainty;
pub use upgrad::UpGrad;

patchbay::export_plugin!(
    AlignedMtl,
    CaGrad,
    DbMtl,
    Dwa,
    Equal,
    ExcessMtl,
    FairGrad,
    Famo,
    Fixed,
    Gls,
    GradNorm,
    GradVac,
    ImtlG,
    Mgda,
    MoCo,
    NashMtl,
    PcGrad,
    Rlw,
    SdmGrad,
    Stch,
    Uncertainty,
    UpGrad,
);
