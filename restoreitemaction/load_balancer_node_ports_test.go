// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/cluster"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane"
	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/controlplane/controlplanetest"
)

// Warnings about node ports.
const (
	warnRange     = "The node port is outside of the range of this cluster: another is chosen"
	warnTaken     = "The node port is taken in this cluster: another is chosen"
	warnUnchecked = "Node ports cannot be checked: a Service is not restored if another one has its node port"
)

// nodePortService returns a Service of type NodePort with these ports, as YAML.
func nodePortService(ports string) string {
	return `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: NodePort
  ports: ` + ports
}

// holder is a Service that has node ports.
func holder(namespace, name string, nodePorts ...int32) *corev1.Service {
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort},
	}
	for i, nodePort := range nodePorts {
		service.Spec.Ports = append(service.Spec.Ports,
			corev1.ServicePort{Name: fmt.Sprint("port-", i), Port: int32(80 + i), NodePort: nodePort})
	}
	return service
}

// sharedPorts refuses a Service with a node port that another one has, in a dry run
// too, as the registry of Services in kube-apiserver does (initNodePorts): for the
// first such port alone.
func sharedPorts() interceptor.Funcs {
	return interceptor.Funcs{
		Create: func(ctx context.Context, api client.WithWatch, object client.Object, options ...client.CreateOption) error {
			created, ok := object.(*corev1.Service)
			if !ok {
				return api.Create(ctx, object, options...)
			}
			var all corev1.ServiceList
			if err := api.List(ctx, &all); err != nil {
				return err
			}
			taken := make(map[int32]bool)
			for i := range all.Items {
				for _, port := range all.Items[i].Spec.Ports {
					taken[port.NodePort] = true
				}
			}
			for i, port := range created.Spec.Ports {
				if taken[port.NodePort] {
					at := field.NewPath("spec", "ports").Index(i).Child("nodePort")
					return apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, created.Name,
						field.ErrorList{field.Invalid(at, port.NodePort, "provided port is already allocated")})
				}
			}
			return api.Create(ctx, object, options...)
		},
	}
}

// nodePortCase is what becomes of the ports of the Service shop/web.
type nodePortCase struct {
	name     string
	ports    string
	settings map[string]string
	mapping  map[string]string
	want     string
	warnings []line
}

// portWarning is a warning about a node port of the Service shop/web; allowed is the
// range that it is outside of.
func portWarning(message string, nodePort int64, allowed string) line {
	fields := logrus.Fields{"resource": "services", "namespace": "shop", "name": "web", "nodePort": nodePort}
	if allowed != "" {
		fields["nodePortRange"] = allowed
	}
	return line{logrus.WarnLevel, message, fields}
}

// nodePortCases are for a cluster where another Service has 30080 and 30443, and the
// Service itself is in the namespace old with 30090.
func nodePortCases() []nodePortCase {
	return []nodePortCase{
		{
			name:  "ports that are free stay",
			ports: `[{name: a, port: 80, protocol: TCP, targetPort: 8080, nodePort: 30081}, {name: b, port: 53, protocol: UDP, targetPort: 53, nodePort: 30053}]`,
			want:  `[{name: a, port: 80, protocol: TCP, targetPort: 8080, nodePort: 30081}, {name: b, port: 53, protocol: UDP, targetPort: 53, nodePort: 30053}]`,
		},
		{
			name: "ports that are taken are left to the API server, the others stay",
			ports: `[{name: a, port: 80, protocol: TCP, targetPort: 80, nodePort: 30080}, {name: b, port: 81, protocol: TCP, targetPort: 81, nodePort: 30081}, ` +
				`{name: c, port: 443, protocol: TCP, targetPort: 443, nodePort: 30443}]`,
			want: `[{name: a, port: 80, protocol: TCP, targetPort: 80}, {name: b, port: 81, protocol: TCP, targetPort: 81, nodePort: 30081}, ` +
				`{name: c, port: 443, protocol: TCP, targetPort: 443}]`,
			warnings: []line{portWarning(warnTaken, 30080, ""), portWarning(warnTaken, 30443, "")},
		},
		{
			name:     "a port outside of the range is left to the API server",
			ports:    `[{name: a, port: 80, protocol: TCP, targetPort: 80, nodePort: 29999}, {name: b, port: 81, protocol: TCP, targetPort: 81, nodePort: 32767}]`,
			want:     `[{name: a, port: 80, protocol: TCP, targetPort: 80}, {name: b, port: 81, protocol: TCP, targetPort: 81, nodePort: 32767}]`,
			warnings: []line{portWarning(warnRange, 29999, "30000-32767")},
		},
		{
			name:     "another range can be set",
			ports:    `[{name: a, port: 80, protocol: TCP, targetPort: 80, nodePort: 31000}, {name: b, port: 81, protocol: TCP, targetPort: 81, nodePort: 30999}]`,
			settings: map[string]string{"nodePortRange": "31000-31999"},
			want:     `[{name: a, port: 80, protocol: TCP, targetPort: 80, nodePort: 31000}, {name: b, port: 81, protocol: TCP, targetPort: 81}]`,
			warnings: []line{portWarning(warnRange, 30999, "31000-31999")},
		},
		{
			name:  "two protocols may share a port",
			ports: `[{name: a, port: 53, protocol: TCP, targetPort: 53, nodePort: 30053}, {name: b, port: 53, protocol: UDP, targetPort: 53, nodePort: 30053}]`,
			want:  `[{name: a, port: 53, protocol: TCP, targetPort: 53, nodePort: 30053}, {name: b, port: 53, protocol: UDP, targetPort: 53, nodePort: 30053}]`,
		},
		{
			name:     "a port that is taken is taken for both protocols",
			ports:    `[{name: a, port: 53, protocol: TCP, targetPort: 53, nodePort: 30080}, {name: b, port: 53, protocol: UDP, targetPort: 53, nodePort: 30080}]`,
			want:     `[{name: a, port: 53, protocol: TCP, targetPort: 53}, {name: b, port: 53, protocol: UDP, targetPort: 53}]`,
			warnings: []line{portWarning(warnTaken, 30080, ""), portWarning(warnTaken, 30080, "")},
		},
		{
			name:    "ports that the Service itself has where it is restored to stay",
			ports:   `[{name: a, port: 80, protocol: TCP, targetPort: 80, nodePort: 30090}]`,
			mapping: map[string]string{"shop": "old"},
			want:    `[{name: a, port: 80, protocol: TCP, targetPort: 80, nodePort: 30090}]`,
		},
		{
			name:     "Velero's way can be set",
			ports:    `[{name: a, port: 80, protocol: TCP, targetPort: 80, nodePort: 30081}]`,
			settings: map[string]string{"keepNodePorts": "false"},
			want:     `[{name: a, port: 80, protocol: TCP, targetPort: 80}]`,
		},
	}
}

// neighbours are the Services of the cluster of nodePortCases.
func neighbours() []client.Object {
	return []client.Object{holder("other", "web", 30080, 30443), holder("old", "web", 30090)}
}

func (c *nodePortCase) run(t *testing.T, api client.Client) {
	t.Helper()
	n := newNetwork(t, clusterOf(api), networkSettings(c.settings, ""))
	n.restore.Spec.NamespaceMapping = c.mapping
	wantObject(t, nodePortService(c.want), n.restored(t, readObject(t, nodePortService(c.ports))))
	if diff := cmp.Diff(c.warnings, n.warned, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestNodePorts(t *testing.T) {
	t.Parallel()
	for _, tt := range nodePortCases() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, interceptor.NewClient(newAPI(t, neighbours()...), sharedPorts()))
		})
	}
}

// TestNodePortsOfARealAPIServer holds that TestNodePorts' API server is like a real
// one.
func TestNodePortsOfARealAPIServer(t *testing.T) {
	t.Parallel()
	cp := controlplanetest.Start(t, controlplane.Options{})
	for _, name := range []string{"shop", "old", "other"} {
		if err := cp.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, service := range neighbours() {
		if err := cp.Client.Create(t.Context(), service); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range nodePortCases() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(t, cp.Client)
		})
	}
}

func TestNodePortsThatAnotherActionHasChosenStay(t *testing.T) {
	t.Parallel()
	const backup = `[{name: a, port: 80, nodePort: 30080}, {name: b, port: 81, nodePort: 30081}]`
	tests := []struct{ name, item, want string }{
		{
			name: "another node port", item: nodePortService(`[{name: a, port: 80, nodePort: 30500}, {name: b, port: 81}, {name: c, port: 82}]`),
			want: nodePortService(`[{name: a, port: 80, nodePort: 30500}, {name: b, port: 81, nodePort: 30081}, {name: c, port: 82}]`),
		},
		{
			name: "another type", item: `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {type: ClusterIP, ports: [{name: a, port: 80}]}}`,
			want: `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {type: ClusterIP, ports: [{name: a, port: 80}]}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, clusterOf(newAPI(t)), nil)
			output, err := n.loadBalancer.Execute(n.input(readObject(t, nodePortService(backup)), readObject(t, tt.item)))
			if err != nil {
				t.Fatal(err)
			}
			wantObject(t, tt.want, asUnstructured(t, output.UpdatedItem))
		})
	}
}

func TestNodePortsStayWhereTheyCannotBeChecked(t *testing.T) {
	t.Parallel()
	forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "web", errors.New("no role"))
	invalid := func(path *field.Path) error {
		return apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, "web", field.ErrorList{field.Invalid(path, 1, "no")})
	}
	kept, chosen := `[{name: a, port: 80, nodePort: 30081}]`, `[{name: a, port: 80}]`
	tests := []struct {
		name    string
		cluster func(*testing.T) *cluster.Cluster
		want    string
	}{
		{name: "without permission", cluster: refusing(forbidden, nil), want: kept},
		{name: "where the Service is refused for something else", cluster: refusing(invalid(field.NewPath("spec", "ipFamilies")), nil), want: kept},
		{
			name:    "where a port is refused that the Service does not have",
			cluster: refusing(invalid(field.NewPath("spec", "ports").Index(7).Child("nodePort")), nil), want: kept,
		},
		{name: "without a cluster", cluster: func(*testing.T) *cluster.Cluster { return nowhere() }, want: kept},
		{
			name:    "but are chosen anew where it is the Service's own that cannot be told",
			cluster: refusing(invalid(field.NewPath("spec", "ports").Index(0).Child("nodePort")), forbidden), want: chosen,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, tt.cluster(t), nil)
			for i := range 6 {
				n.restore = newRestore(fmt.Sprintf("restore-%d", i%2))
				service := readObject(t, nodePortService(`[{name: a, port: 80, nodePort: 30081}]`))
				output, err := n.loadBalancer.Execute(n.input(service, service))
				if err != nil {
					t.Fatal(err)
				}
				wantObject(t, nodePortService(tt.want), asUnstructured(t, output.UpdatedItem))
			}
			said := 0
			for _, entry := range n.logged.AllEntries() {
				if entry.Level == logrus.WarnLevel && entry.Message == warnUnchecked {
					said++
				}
			}
			if said != 2 {
				t.Errorf("%d warnings that node ports cannot be checked, want one in each of 2 restores", said)
			}
		})
	}
}

// refusing is a cluster whose API server answers with the errors.
func refusing(create, get error) func(*testing.T) *cluster.Cluster {
	return func(t *testing.T) *cluster.Cluster {
		t.Helper()
		return clusterOf(interceptor.NewClient(newAPI(t), interceptor.Funcs{
			Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return create },
			Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
				return get
			},
		}))
	}
}
