// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

const (
	// scenarios is how many are generated, each with objects of all kinds.
	scenarios = 350
	// ordersOfEach is how many orders of the actions each is restored in, beside that of
	// their names, which Velero has.
	ordersOfEach = 2
	// together is in how many scenarios, at least, both of two actions must change one
	// and the same object.
	together = 100
	// refusedAtMost is in how many scenarios an object may be refused.
	refusedAtMost = scenarios * 2 / 5
)

// TestOrderOfActions restores generated objects with generated settings by all
// actions of version 1, in several orders, and once more after that, behind
// Velero's own actions. Velero always runs volume-ready, of version 2, after them.
func TestOrderOfActions(t *testing.T) {
	counts := &coFires{of: make(map[[2]string]int)}
	t.Run("scenario", func(t *testing.T) { testScenarios(t, counts) })
	t.Logf("an object was refused in %d of %d scenarios", counts.refused, scenarios)
	if counts.refused > refusedAtMost {
		t.Errorf("an object was refused in %d scenarios, want %d at most: what is created is not compared in them", counts.refused, refusedAtMost)
	}
	for _, pair := range overlapping(t, newProcess(t, &scenario{})) {
		t.Logf("%s and %s have changed the same object in %d scenarios", pair[0], pair[1], counts.of[pair])
		if got := counts.of[pair]; got < together {
			t.Errorf("%s and %s have changed the same object in %d scenarios, want %d at least", pair[0], pair[1], got, together)
		}
	}
}

func testScenarios(t *testing.T, counts *coFires) {
	t.Helper()
	for seed := range uint64(scenarios) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1)) // the same ones each time
			newScenario(t, r).testOrders(t, r, counts)
		})
	}
}

// testOrders fails unless all orders of the actions give the same.
func (s *scenario) testOrders(t *testing.T, r *rand.Rand, counts *coFires) {
	t.Helper()
	byName := actionNames()
	want := s.restored(t, byName)
	counts.add(want)
	for i := range ordersOfEach + 1 {
		order := slices.Clone(byName)
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		if i == ordersOfEach {
			order = slices.Concat(byName, order)
		}
		got := s.restored(t, order)
		// What is mostly equal is compared quickly.
		if !reflect.DeepEqual(want.result, got.result) {
			t.Errorf("the outcome differs (-%v +%v):\n%s\nsettings: %v", byName, order, want.diff(got.result), s.settings)
		}
	}
}

// overlapping returns the pairs of actions that are for the same objects.
func overlapping(t *testing.T, p *process) [][2]string {
	t.Helper()
	var pairs [][2]string
	names := actionNames()
	for i, first := range names {
		for _, second := range names[i+1:] {
			resources := resourcesOf(t, p.actions[second])
			if slices.ContainsFunc(resourcesOf(t, p.actions[first]), func(resource string) bool { return slices.Contains(resources, resource) }) {
				pairs = append(pairs, [2]string{first, second})
			}
		}
	}
	return pairs
}

func resourcesOf(t *testing.T, action riav1.RestoreItemAction) []string {
	t.Helper()
	selector, err := action.AppliesTo()
	if err != nil {
		t.Fatal(err)
	}
	return selector.IncludedResources
}

// coFires counts scenarios by pairs of actions that have changed the same object.
type coFires struct {
	mu sync.Mutex
	of map[[2]string]int
	// refused counts those in which an object was refused.
	refused int
}

func (c *coFires) add(o outcome) {
	pairs := make(map[[2]string]bool)
	for _, fired := range o.fired {
		for i, first := range fired {
			for _, second := range fired[i+1:] {
				pairs[[2]string{first, second}] = true
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for pair := range pairs {
		c.of[pair]++
	}
	if o.Created == nil {
		c.refused++
	}
}

// TestForeignObjectsStay restores objects that nothing is to be done for.
func TestForeignObjectsStay(t *testing.T) {
	t.Parallel()
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2)) // the same ones each time
		s := &scenario{restore: restoreOfShop(), served: everything(), objects: foreignObjects(t, r)}
		p := newProcess(t, s)
		for _, object := range s.objects {
			before, err := object.item.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range p.appliedTo(t, object.backedUp, actionNames()) {
				output, err := p.actions[name].Execute(p.input(object, object.item))
				if err != nil {
					t.Fatal(err)
				}
				if output.UpdatedItem != object.item {
					t.Errorf("%s has made another item of this one:\n%s", name, asYAML(t, object.item))
				}
			}
			after, err := object.item.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(before), string(after)); diff != "" {
				t.Errorf("the item was changed (-before +after):\n%s", diff)
			}
		}
	}
}

// actionNames are those of the actions of version 1, in Velero's order.
func actionNames() []string { return slices.Sorted(maps.Keys(restoreitemaction.Constructors())) }

// outcome is what a restore has made of the objects of a scenario.
type outcome struct {
	result
	// fired has for each object the actions that have changed it, by name.
	fired [][]string
}

// result is the part of an outcome on which the order of the actions has no influence.
type result struct {
	// Objects has the restored objects by kind and name, or why one is not.
	Objects map[string]any
	// Created is what the actions have created. Where an object was refused it is nil:
	// an action that came first may have created what the object needs.
	Created []client.ObjectList
	// Additional is what Velero is told to restore with the objects, nil as Created is.
	Additional map[velero.ResourceIdentifier]bool
}

// diff tells where other differs.
func (r result) diff(other result) string {
	var differences strings.Builder
	for key, object := range r.Objects {
		differences.WriteString(cmp.Diff(object, other.Objects[key]))
	}
	differences.WriteString(cmp.Diff(r.Created, other.Created))
	differences.WriteString(cmp.Diff(r.Additional, other.Additional))
	return differences.String()
}

// restored restores the objects, one after the other, by actions in an order.
func (s *scenario) restored(t *testing.T, order []string) outcome {
	t.Helper()
	p := newProcess(t, s)
	o := outcome{result: result{Objects: make(map[string]any)}}
	refused := false
	for _, object := range s.objects {
		restored, fired, err := p.restoreObject(t, object, order)
		key := object.backedUp.GetKind() + " " + object.backedUp.GetName()
		if err != nil {
			o.Objects[key] = err.Error()
			refused = true
			continue
		}
		o.Objects[key] = restored.Object
		o.fired = append(o.fired, fired)
	}
	if !refused {
		o.Created, o.Additional = p.created(t), p.additional
	}
	return o
}

// restoreObject runs the actions that are for the object on it, and returns which of
// them have changed it.
func (p *process) restoreObject(t *testing.T, object scenarioObject, order []string) (item *unstructured.Unstructured, fired []string, err error) {
	t.Helper()
	item = object.item
	for _, name := range p.appliedTo(t, object.backedUp, order) {
		before := item.DeepCopy()
		output, err := p.actions[name].Execute(p.input(object, item))
		if err != nil {
			return nil, nil, err
		}
		if !reflect.DeepEqual(before.Object, item.Object) {
			t.Errorf("%s has changed its input (-before +after):\n%s", name, cmp.Diff(before.Object, item.Object))
		}
		for _, id := range output.AdditionalItems {
			p.additional[id] = true
		}
		changed := asUnstructured(t, output.UpdatedItem)
		if changed == item {
			continue
		}
		if reflect.DeepEqual(changed.Object, item.Object) {
			t.Errorf("%s has returned another item that says the same", name)
		}
		fired = append(fired, name)
		item = changed
	}
	return item, fired, nil
}
