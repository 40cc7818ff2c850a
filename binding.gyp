# Not packed: where a package has this file, Yarn compiles it at every install. scripts/build-addon.mjs writes it again.
{ 'includes': ['native/percpu.gypi'] }
