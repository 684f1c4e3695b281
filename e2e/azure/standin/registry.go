package standin

import (
	"fmt"
	"strings"
)

// registryCommands are az's commands about registries and the images in them.
func registryCommands() map[string]command {
	return map[string]command{
		"acr list":   {do: named("registry")},
		"acr create": {needs: "resource-group name location sku", do: func(w *World, f flags) (any, error) { return nil, w.make("registry", f, nil) }},
		"acr show": {needs: "name", do: func(w *World, f flags) (any, error) {
			return map[string]any{"id": scope("registry", f.get("name"))}, w.there("registry/" + f.get("name"))
		}},
		"acr login": {needs: "name", do: func(w *World, f flags) (any, error) {
			if err := w.there("registry/" + f.get("name")); err != nil {
				return nil, err
			}
			w.set("docker/login", map[string]string{f.get("name") + ".azurecr.io": "yes"})
			return nil, nil
		}},
		"acr delete": {needs: "resource-group name", may: "yes!", do: func(w *World, f flags) (any, error) { return nil, w.drop("registry/" + f.get("name")) }},
		"acr repository list": {needs: "name", do: func(w *World, f flags) (any, error) {
			seen, names := map[string]bool{}, []any{}
			for _, image := range w.within("registry/" + f.get("name")) {
				name, _, _ := strings.Cut(fmt.Sprint(image), ":")
				if name = strings.ReplaceAll(name, "!", "/"); !seen[name] {
					seen[name], names = true, append(names, name)
				}
			}
			return names, w.there("registry/" + f.get("name"))
		}},
		"acr repository show-tags": {needs: "name repository", do: func(w *World, f flags) (any, error) {
			tags := []any{}
			for _, image := range w.within("registry/" + f.get("name")) {
				if tag, ok := strings.CutPrefix(fmt.Sprint(image), strings.ReplaceAll(f.get("repository"), "/", "!")+":"); ok {
					tags = append(tags, tag)
				}
			}
			if len(tags) == 0 {
				return nil, fail("repository name \"%s\" is not found", f.get("repository"))
			}
			return tags, nil
		}},
		"acr repository show": {needs: "name image", do: func(w *World, f flags) (any, error) {
			id := image(f.get("name"), f.get("image"))
			return map[string]any{"digest": w.objects[id]["digest"]}, w.there(id)
		}},
		"acr repository delete": {needs: "name image", may: "yes!", do: func(w *World, f flags) (any, error) {
			return nil, w.drop(image(f.get("name"), f.get("image")))
		}},
	}
}

// image returns the object of an image, whose name contains slashes.
func image(registry, name string) string {
	return "registry/" + registry + "/" + strings.ReplaceAll(name, "/", "!")
}
