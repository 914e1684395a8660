// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
)

// Injector holds the rules. It is safe for concurrent use.
type Injector struct {
	mu      sync.Mutex
	random  *rand.Rand
	handles []*Handle
}

// NewInjector returns an injector without rules. With the same seed, the same requests in the same order go wrong.
func NewInjector(seed uint64) *Injector {
	return &Injector{random: rand.New(rand.NewPCG(seed, seed))}
}

// Handle is a rule that was added.
type Handle struct {
	injector *Injector
	rule     Rule
	seen     int
	hits     int
}

// Hits returns how many requests the rule has acted on.
func (h *Handle) Hits() int {
	h.injector.mu.Lock()
	defer h.injector.mu.Unlock()
	return h.hits
}

// Remove ends the rule. Requests on which it is acting are not affected.
func (h *Handle) Remove() {
	h.injector.mu.Lock()
	defer h.injector.mu.Unlock()
	h.injector.handles = slices.DeleteFunc(h.injector.handles, func(other *Handle) bool { return other == h })
}

// Add adds a rule behind the others. It refuses a rule that contradicts itself.
func (i *Injector) Add(r Rule) (*Handle, error) {
	if err := r.validate(); err != nil {
		return nil, fmt.Errorf("fault rule: %w", err)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	h := &Handle{injector: i, rule: r}
	i.handles = append(i.handles, h)
	return h, nil
}

// Clear removes all rules.
func (i *Injector) Clear() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.handles = nil
}

// Fire returns the rules that act on a request, in the order in which they were added, and counts it as a hit of
// each.
func (i *Injector) Fire(service, operation, resource string) []Rule {
	i.mu.Lock()
	defer i.mu.Unlock()
	var fired []Rule
	for _, h := range i.handles {
		if !h.rule.selects(service, operation, resource) {
			continue
		}
		h.seen++
		if h.seen <= h.rule.Skip || (h.rule.Count > 0 && h.hits >= h.rule.Count) {
			continue
		}
		if h.rule.Probability > 0 && i.random.Float64() >= h.rule.Probability {
			continue
		}
		h.hits++
		fired = append(fired, h.rule)
	}
	return fired
}

// maxRequest bounds what is read of a request that adds rules.
const maxRequest = 1 << 20

// listed is a rule as ServeHTTP lists it.
type listed struct {
	Rule Rule `json:"rule"`
	Hits int  `json:"hits"`
}

// ServeHTTP lists the rules with their hits on GET, adds a rule or a list of rules on POST, and removes all on
// DELETE.
func (i *Injector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(i.list()); err != nil {
			return // the client has gone: there is nobody to tell
		}
	case http.MethodPost:
		if err := i.addFrom(io.LimitReader(r.Body, maxRequest)); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		i.Clear()
		w.WriteHeader(http.StatusNoContent)
	default:
		w.Header().Set("Allow", "GET, POST, DELETE")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func (i *Injector) list() []listed {
	i.mu.Lock()
	defer i.mu.Unlock()
	rules := make([]listed, len(i.handles))
	for n, h := range i.handles {
		rules[n] = listed{Rule: h.rule, Hits: h.hits}
	}
	return rules
}

// addFrom adds the rules of a JSON document: all of them, or none.
func (i *Injector) addFrom(body io.Reader) error {
	data, err := io.ReadAll(body)
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) == 0 || trimmed[0] != '[' {
		data = slices.Concat([]byte("["), data, []byte("]"))
	}
	var rules []Rule
	if err := json.Unmarshal(data, &rules); err != nil {
		return err
	}
	for n, rule := range rules {
		if err := rule.validate(); err != nil {
			return fmt.Errorf("fault rule %d: %w", n, err)
		}
	}
	for _, rule := range rules {
		if _, err := i.Add(rule); err != nil {
			return err
		}
	}
	return nil
}
