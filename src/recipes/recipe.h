// A recipe: the order of the stages of one kind of pipeline, from what the user gives to what the decoders make. Each is a
// walk over the networks of a session; which one a checkpoint needs, its class in pipeline.json says.
#pragma once

#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "assets/gaussians.h"
#include "assets/mesh.h"
#include "assets/radiance_field.h"
#include "assets/region.h"
#include "assets/voxels.h"
#include "espalier/espalier.h"
#include "image/image.h"
#include "session/job_clock.h"
#include "session/session.h"

namespace espalier {

// Where a recipe puts what it makes, as soon as it exists.
class RecipeSink {
 public:
  RecipeSink() = default;
  RecipeSink(const RecipeSink&) = delete;
  RecipeSink& operator=(const RecipeSink&) = delete;
  virtual ~RecipeSink() = default;

  // Of the structure while it is sampled, after `step` of `steps`: what the flow expects by then. Only where it is wanted.
  [[nodiscard]] virtual bool wants_previews() const = 0;
  virtual void preview(const Voxels& voxels, int step, int steps) = 0;

  virtual void foreground(Image rgba) = 0;                // what the asset is made of, without its background
  virtual void structure(std::vector<float> latent) = 0;  // that the voxels were decoded of, which edit() needs
  virtual void latent(const Voxels& voxels, std::vector<float> values) = 0;
  virtual void gaussians(Gaussians value) = 0;
  virtual void earlier(EarlierState state) = 0;  // what an edit began with
  virtual void mesh(Mesh value, SurfaceRule rule) = 0;
  virtual void radiance_field(RadianceField value) = 0;
  virtual void notice(const std::string& line) = 0;                           // what the user should know
  virtual void record(const std::string& key, const std::string& value) = 0;  // how the asset was made
  // Sizes became known: better figures for the stages that are left.
  virtual void sizes(const JobSizes& sizes) = 0;
};

// Default settings of a sampler.
struct SamplerDefaults {
  int steps = 0;
  double guidance = 0.0;
};

// An asset, and the part of it that edit() makes anew. Nothing is owned.
struct PartEdit {
  const Voxels* voxels = nullptr;
  const std::vector<float>*structure = nullptr, *latent = nullptr;  // structure: empty where it is not known
  std::span<const EarlierState> earlier{};                          // the states before, from the first on
  // What was decoded of them before; null where it was not.
  const Gaussians* gaussians = nullptr;
  const RadianceField* radiance_field = nullptr;
  const Region* region = nullptr;
  int rim = 0;      // voxels around the region whose latent is sampled anew, too
  int repeats = 1;  // of every sampling step
  bool keep_structure = false;
};

// One of several assets that are sampled together: what it is made for, and what becomes of it.
struct BatchMember {
  const Request* request = nullptr;
  Condition condition{};
  const Voxels* structure = nullptr;  // as for Recipe::sample()
  RecipeSink* sink = nullptr;
  std::function<bool()> left{};  // asked after every step: true: nobody wants it any more
  // What sample_batch() makes, unless it failed or was left.
  Voxels voxels{};
  std::vector<float> latent{};
  std::exception_ptr failure{};
  std::vector<StageCost> costs{};  // seconds of what several share are those of all of them
  [[nodiscard]] bool stays() const { return !failure && !(left && left()); }
};

class Recipe {
 public:
  Recipe() = default;
  Recipe(const Recipe&) = delete;
  Recipe& operator=(const Recipe&) = delete;
  virtual ~Recipe() = default;

  // What the stages of generate() usually take, without finishing, in their order.
  [[nodiscard]] virtual std::vector<PlannedStage> plan(const Session& session, const Request& request,
                                                       const JobSizes& sizes) const = 0;
  // From the request to decoded results. Throws invalid_argument for what the request lacks.
  virtual void generate(Session& session, const Request& request, RecipeSink& sink) const = 0;
  // The same on a structure that is given: voxels of latent_shape()'s grid. A recipe that has no such thing throws unsupported.
  virtual void vary(Session& session, const Voxels& voxels, const Request& request, RecipeSink& sink) const;
  [[nodiscard]] virtual std::vector<PlannedStage> plan_variant(const Session& session, const Request& request,
                                                               const JobSizes& sizes) const;
  // generate() in two parts, so that several runs share the first: what the samplers are conditioned on, and the rest, which
  // samples on `structure` where one is given, as vary() does. A recipe without the first makes no condition.
  [[nodiscard]] virtual Condition condition(Session& session, const Request& request, RecipeSink& sink) const;
  virtual void sample(Session& session, const Condition& condition, const Voxels* structure, const Request& request,
                      RecipeSink& sink) const;
  // Whether the samples of two requests can be made together: both samplers are set alike, and there are as many images.
  // A recipe that cannot do so says no.
  [[nodiscard]] virtual bool samples_alike(const Request& a, const Request& b) const;
  // sample() of several such requests up to their latents, which decode() is for; each with the bits that these members
  // together give. What is more than memory takes is made in parts. What fails for one is no trouble for others.
  virtual void sample_batch(Session& session, std::span<BatchMember* const> members) const;
  // Samples structure and latent of a part of an asset anew, for the request; all that is further away than the rim stays: its
  // voxels, latents and what is decoded of them. A recipe that has no such thing throws unsupported.
  virtual void edit(Session& session, const PartEdit& edit, const Request& request, RecipeSink& sink) const;
  // Whether generate(), vary() and edit() want a prompt; else images.
  [[nodiscard]] virtual bool takes_text() const { return false; }
  // The decoders alone, on a latent that was sampled before.
  virtual void decode(Session& session, const Voxels& voxels, const std::vector<float>& latent, const Request& request,
                      RecipeSink& sink) const = 0;
  [[nodiscard]] virtual std::vector<PlannedStage> plan_decoding(const Session& session, const Request& request,
                                                                const JobSizes& sizes) const = 0;
  // Grid and channels of the latents that decode() takes.
  struct LatentShape {
    int resolution = 0;
    std::int64_t channels = 0;
  };
  [[nodiscard]] virtual LatentShape latent_shape(const Session& session) const = 0;
  [[nodiscard]] virtual SamplerDefaults structure_defaults() const = 0;
  [[nodiscard]] virtual SamplerDefaults latent_defaults() const = 0;
};

struct RecipeClass {
  std::string_view pipeline;  // the class in pipeline.json
  // Reads the recipe's settings and checks that the networks fit together; throws format, not_found or unsupported.
  std::unique_ptr<Recipe> (*open)(const Session& session) = nullptr;
};

class RecipeBook {
 public:
  explicit RecipeBook(std::vector<RecipeClass> recipes) : recipes_(std::move(recipes)) {}
  // Throws unsupported naming `where` for a class that no recipe is for.
  [[nodiscard]] const RecipeClass& find(const std::string& pipeline, const std::string& where) const;

 private:
  std::vector<RecipeClass> recipes_;
};

// The recipes of TRELLIS.
[[nodiscard]] const RecipeBook& trellis_recipes();

}  // namespace espalier
