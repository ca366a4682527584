// Made by scripts/options from the table in src/api/option_rows.cpp; a test compares the two.

export const OPTIONS = {
  'formats': {"choices":["splats.glb","glb","gltf.zip","obj.zip","stl","3mf","mesh.ply","compressed.ply","ply","spz","splat"],"fallback":["glb"]},
  'size_mm': {"min":0.1,"max":10000,"fallback":100.0},
  'background': {"choices":["auto","alpha","none","plain","network"],"fallback":["auto"]},
  'name': {"fallback":""},
  'surface': {"choices":["auto","solid","reference"],"fallback":"auto"},
  'raw_mesh': {"fallback":false},
  'clean': {"fallback":true},
  'fill_holes': {"fallback":true},
  'simplify': {"min":0,"max":0.9999,"fallback":0.95},
  'faces': {"min":4,"max":100000000,"fallback":null},
  'texture': {"fallback":true},
  'texture_size': {"min":512,"max":4096,"fallback":1024},
  'bake': {"choices":["fast","best"],"fallback":"best"},
  'project_image': {"fallback":false},
  'texture_format': {"choices":["png","jpeg","webp"],"fallback":"png"},
  'unlit': {"fallback":false},
  'turntable.format': {"choices":["mp4","webp"],"fallback":"mp4"},
  'turntable.style': {"choices":["auto","textured","colour","clay","normals","wireframe","uv-checker","splats","radiance-field"],"fallback":"auto"},
  'turntable.seconds': {"min":0.5,"max":30,"fallback":4.0},
  'turntable.size': {"min":64,"max":1024,"fallback":512},
  'seed': {"min":0,"max":4294967295,"fallback":null},
  'preset': {"choices":["checkpoint","app"],"fallback":"checkpoint"},
  'multi_image': {"choices":["stochastic","multidiffusion"],"fallback":"stochastic"},
  'structure.steps': {"min":1,"max":1000,"fallback":null},
  'structure.guidance': {"min":0,"max":100,"fallback":null},
  'structure.interval': {"min":0,"max":1,"fallback":null},
  'structure.rescale_t': {"min":0.01,"max":100,"fallback":null},
  'latent.steps': {"min":1,"max":1000,"fallback":null},
  'latent.guidance': {"min":0,"max":100,"fallback":null},
  'latent.interval': {"min":0,"max":1,"fallback":null},
  'latent.rescale_t': {"min":0.01,"max":100,"fallback":null},
} as const;

/** The samplers of TRELLIS' public web app. */
export const APP_PRESET = {"structure":{"steps":12,"guidance":7.5},"latent":{"steps":12,"guidance":3}};
