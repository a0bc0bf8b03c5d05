//! The model on its device, put there again when the device is lost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{LoadOptions, Part};
use crate::Result;
use crate::gpu::Gpu;
use crate::model::Model;
use crate::model_files::ModelFiles;
use crate::parameters::Parameters;

pub struct Resident {
    files: ModelFiles,
    options: LoadOptions,
    model: Mutex<Arc<Model>>,
}

impl Resident {
    pub fn load(
        files: &ModelFiles,
        options: &LoadOptions,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Resident> {
        let model = load(files, options, progress)?;
        Ok(Resident {
            files: files.clone(),
            options: options.clone(),
            model: Mutex::new(Arc::new(model)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Model>> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn model(&self) -> Arc<Model> {
        self.lock().clone()
    }

    /// Opens the device again and uploads the weights again, unless somebody else has since `lost` was found to be.
    pub fn reopen(&self, lost: &Arc<Model>) -> Result<()> {
        let mut model = self.lock();
        if Arc::ptr_eq(&model, lost) {
            *model = Arc::new(load(&self.files, &self.options, &mut |_, _| ())?);
        }
        Ok(())
    }
}

fn load(
    files: &ModelFiles,
    options: &LoadOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Model> {
    let config = files.config()?;
    let weights = files.weights()?;
    let mut parameters = Parameters::load(&weights, &config)?;
    match options.part {
        Part::Encoder => parameters.decoder = None,
        Part::Both => parameters.require_decoder(&config)?,
        Part::All => (),
    }
    let gpu = Gpu::open(options.device.as_deref())?;
    Model::load(&gpu, &config, &parameters, options.dtype, progress)
}
