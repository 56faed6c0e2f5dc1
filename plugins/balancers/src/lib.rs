//! Loss balancers: how several losses become one step. One component a file.
//!
//! **Balancers of losses** weigh the losses and go back once, over the weighted sum: [`equal`], [`fixed`],
//! [`uncertainty`], [`imtl_l`], [`dwa`], [`rlw`], [`gls`], [`famo`], [`stch`], [`cosmos`], [`pbi`].
//!
//! **Balancers of gradients** go back once for each loss, over the shared graph, and combine what arrives at the shared
//! parameters: [`gradnorm`], [`pcgrad`], [`gradvac`], [`cagrad`], [`mgda`], [`imtl_g`], [`nash_mtl`], [`aligned_mtl`],
//! [`upgrad`], [`dual_proj`], [`fairgrad`], [`config`], [`db_mtl`], [`sdmgrad`], [`moco`], [`modo`], [`cr_mogm`], [`excess_mtl`]. Most of them need only the K x K products
//! of the losses' gradients with one another ([`gradients`]); none needs a second derivative. Parameters that a single loss
//! has to itself get that loss's own gradient, unweighted, as in TorchJD and in most methods of LibMTL; there Nash-MTL,
//! FairGrad and ExcessMTL go back over the weighted sum, which weighs them, too, and DB-MTL gives them the gradient of the
//! loss's logarithm.
//!
//! The factors of different balancers have different sums (each says which); where one takes the place of another in a
//! running loop, the size of a step may jump by up to K.

pub mod gradients;
pub mod kept;
pub mod linear_algebra;
pub mod losses;
pub mod preference;
pub mod simplex;

patchbay::components! {
    aligned_mtl::AlignedMtl,
    cagrad::CaGrad,
    config::ConFig,
    cosmos::Cosmos,
    cr_mogm::CrMogm,
    db_mtl::DbMtl,
    dual_proj::DualProj,
    dwa::Dwa,
    equal::Equal,
    excess_mtl::ExcessMtl,
    fairgrad::FairGrad,
    famo::Famo,
    fixed::Fixed,
    gls::Gls,
    gradnorm::GradNorm,
    gradvac::GradVac,
    imtl_g::ImtlG,
    imtl_l::ImtlL,
    mgda::Mgda,
    moco::MoCo,
    modo::MoDo,
    nash_mtl::NashMtl,
    pbi::Pbi,
    pcgrad::PcGrad,
    rlw::Rlw,
    sdmgrad::SdmGrad,
    stch::Stch,
    uncertainty::Uncertainty,
    upgrad::UpGrad,
}
