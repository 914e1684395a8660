// SPDX-License-Identifier: Apache-2.0

package restoreitemaction_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/sirupsen/logrus"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"github.com/vmware-tanzu/velero/pkg/plugin/velero"
	riav1 "github.com/vmware-tanzu/velero/pkg/plugin/velero/restoreitemaction/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/restoreitemaction"
)

var _ riav1.RestoreItemAction = (*restoreitemaction.LoadBalancer)(nil)

// managed is a Service whose load balancer the controller has made.
const managed = `
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-spec: slb.s1.small
  finalizers: [service.k8s.alibaba/resources, example.com/keep]
  labels:
    app: web
    service.beta.kubernetes.io/hash: 7ae73a1e
    service.k8s.alibaba/loadbalancer-id: lb-1
spec:
  type: LoadBalancer
  clusterIP: 172.16.0.9
  clusterIPs: [172.16.0.9]
  externalTrafficPolicy: Local
  healthCheckNodePort: 31000
  ports: [{port: 80, protocol: TCP, targetPort: 8080, nodePort: 30080}]
status:
  loadBalancer:
    ingress: [{ip: 47.0.0.1}]
`

// renewed is managed as the controller of another cluster takes it up.
const renewed = `
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-spec: slb.s1.small
  finalizers: [example.com/keep]
  labels: {app: web}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  ports: [{port: 80, protocol: TCP, targetPort: 8080}]
`

// reusing is a Service that uses an existing load balancer, with annotations of
// both generations.
const reusing = `
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners: "true"
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port: rsp-1:80
    service.beta.kubernetes.io/alicloud-loadbalancer-id: lb-1
  finalizers: [service.k8s.alibaba/nlb]
  labels:
    service.k8s.alibaba/loadbalancer-id: lb-1
    service.k8s.alibaba/security-group-id: sg-1
spec:
  type: LoadBalancer
  loadBalancerClass: alibabacloud.com/nlb
  ports: [{port: 80, protocol: TCP, targetPort: 8080}]
`

// reusingWith is reusing as it is restored with these annotations.
func reusingWith(annotations string) string {
	return `
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
` + annotations + `
spec:
  type: LoadBalancer
  loadBalancerClass: alibabacloud.com/nlb
  ports: [{port: 80, protocol: TCP, targetPort: 8080}]
`
}

func TestLoadBalancerServices(t *testing.T) {
	t.Parallel()
	preserve := true
	keptWith := func(override, more string) string {
		return reusingWith(`
  annotations:` + more + `
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners: "` + override + `"
    service.beta.kubernetes.io/alicloud-loadbalancer-force-override-listeners: "` + override + `"
    service.beta.kubernetes.io/alicloud-loadbalancer-id: lb-1`)
	}
	const joining = `
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port: rsp-1:80`
	leftOut := []line{{
		Level: logrus.WarnLevel,
		Message: "The server groups get no restored application, which would have a share of their traffic at once: when it is to come here, " +
			"set the annotation service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port again, or in a restore by a rule of the action annotations",
		Fields: logrus.Fields{"resource": "services", "namespace": "shop", "name": "web", "serverGroups": "rsp-1:80"},
	}}
	tests := []struct {
		name     string
		backup   string
		settings map[string]string
		rules    string
		spec     velerov1.RestoreSpec
		want     string
		warnings []line
	}{
		{name: "a load balancer that the controller has made is made anew", backup: managed, want: renewed},
		{
			name: "its port of health checks stays where the Restore preserves node ports", backup: managed,
			spec: velerov1.RestoreSpec{PreserveNodePorts: &preserve},
			want: `
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-spec: slb.s1.small
  finalizers: [example.com/keep]
  labels: {app: web}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  healthCheckNodePort: 31000
  ports: [{port: 80, protocol: TCP, targetPort: 8080, nodePort: 30080}]
`,
		},
		{
			name: "its status is not restored where the Restore asks for those of Services", backup: managed,
			spec: velerov1.RestoreSpec{RestoreStatus: &velerov1.RestoreStatusSpec{IncludedResources: []string{"services"}}},
			want: `
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-spec: slb.s1.small
    velero.io/restore-status: "false"
  finalizers: [example.com/keep]
  labels: {app: web}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  ports: [{port: 80, protocol: TCP, targetPort: 8080}]
`,
		},
		{
			name: "nothing is done about its status where the Restore asks for those of others", backup: managed,
			spec: velerov1.RestoreSpec{RestoreStatus: &velerov1.RestoreStatusSpec{IncludedResources: []string{"workflows"}}}, want: renewed,
		},
		{
			name: "nor where the Restore asks for those of all but Services", backup: managed,
			spec: velerov1.RestoreSpec{RestoreStatus: &velerov1.RestoreStatusSpec{ExcludedResources: []string{"svc"}}}, want: renewed,
		},
		{
			name: "an existing load balancer is used, and its listeners and their server group are left alone", backup: reusing,
			want: keptWith("false", ""), warnings: leftOut,
		},
		{
			name: "the server group gets the restored application where a rule asks for it", backup: reusing,
			rules: `
- set:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port: rsp-1:80`,
			want: keptWith("false", joining),
		},
		{
			name: "the server group is left alone where a rule leaves the listeners alone", backup: reusing,
			settings: map[string]string{"overrideListeners": "true"},
			rules: `
- set:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners: "false"
    service.beta.kubernetes.io/alicloud-loadbalancer-force-override-listeners: "false"`,
			want: keptWith("false", ""), warnings: leftOut,
		},
		{
			name: "its listeners are replaced where that is set", backup: reusing,
			settings: map[string]string{"overrideListeners": "true", "reuse": "keep"}, want: keptWith("true", joining),
		},
		{
			name: "another one is made in its place where that is set", backup: reusing,
			settings: map[string]string{"reuse": "new"},
			want: reusingWith(`
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners: "true"`),
		},
		{
			name: "a rule may name another existing one", backup: managed,
			settings: map[string]string{"reuse": "new"},
			rules: `
- set:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id: lb-2`,
			want: `
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners: "false"
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id: lb-2
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-spec: slb.s1.small
  finalizers: [example.com/keep]
  labels: {app: web}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  ports: [{port: 80, protocol: TCP, targetPort: 8080}]
`,
		},
		{
			name: "a rule decides about the listeners", backup: reusing,
			rules: `
- set:
    service.beta.kubernetes.io/alicloud-loadbalancer-force-override-listeners: "true"
  remove: [service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners]`,
			want: reusingWith(`
  annotations:
    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port: rsp-1:80
    service.beta.kubernetes.io/alicloud-loadbalancer-force-override-listeners: "true"
    service.beta.kubernetes.io/alicloud-loadbalancer-id: lb-1`),
		},
		{
			name: "nothing is left of annotations and labels of which none is left", backup: reusing,
			settings: map[string]string{"reuse": "new"},
			rules: `
- remove: [service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners]`,
			want: reusingWith(""),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, clusterOf(newAPI(t)), networkSettings(tt.settings, tt.rules))
			n.restore.Spec = tt.spec
			wantObject(t, tt.want, n.restored(t, readObject(t, tt.backup)))
			if diff := cmp.Diff(tt.warnings, n.warned, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

// networkSettings returns those of both actions; what is empty is not set.
func networkSettings(loadBalancer map[string]string, rules string) map[string]map[string]string {
	set := make(map[string]map[string]string)
	if loadBalancer != nil {
		set["load-balancer"] = loadBalancer
	}
	if rules != "" {
		set["annotations"] = map[string]string{"rules": rules}
	}
	return set
}

func TestAMarkIsEnoughForAServiceOfAlibabaCloud(t *testing.T) {
	t.Parallel()
	const named = ", annotations: {service.beta.kubernetes.io/alicloud-loadbalancer-name: web}"
	tests := []struct{ name, metadata, spec, want string }{
		{name: "an annotation", metadata: named, want: named},
		{name: "the class of network load balancers", spec: ", loadBalancerClass: alibabacloud.com/nlb"},
		{name: "a label", metadata: ", labels: {service.beta.kubernetes.io/hash: 7ae73a1e}"},
		{name: "a finalizer", metadata: ", finalizers: [service.k8s.alibaba/nlb]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, clusterOf(newAPI(t)), nil)
			service := func(metadata, spec string) string {
				return "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop" + metadata + "}, spec: {type: LoadBalancer" + tt.spec +
					", externalTrafficPolicy: Local" + spec + "}}"
			}
			wantObject(t, service(tt.want, ""), n.restored(t, readObject(t, service(tt.metadata, ", healthCheckNodePort: 31000"))))
		})
	}
}

// TestLoadBalancerLeavesOthersAlone also holds that nothing is asked for them: there
// is no cluster, which would earn a warning, and the settings are wrong.
func TestLoadBalancerLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	preserve, random := true, false
	tests := []struct {
		name, service, metadata string
		spec                    velerov1.RestoreSpec
	}{
		{
			name: "a load balancer with marks of another cloud",
			metadata: ", annotations: {service.beta.kubernetes.io/aws-load-balancer-type: nlb}, labels: {service.beta.kubernetes.io/team: web}" +
				", finalizers: [service.kubernetes.io/load-balancer-cleanup]",
			service: `{type: LoadBalancer, loadBalancerClass: service.k8s.aws/nlb, healthCheckNodePort: 31000}`,
		},
		{
			name:    "a load balancer of another cloud",
			service: `{type: LoadBalancer, healthCheckNodePort: 31000, newer: field, ports: [{port: 80, nodePort: 30080}]}`,
		},
		{name: "a Service within the cluster", service: `{type: ClusterIP, ports: [{port: 80}]}`},
		{name: "a Service without a type", service: `{ports: [{port: 80}]}`},
		{name: "a name for another host", service: `{type: ExternalName, externalName: example.com}`},
		{name: "node ports that were never given", service: `{type: NodePort, ports: [{port: 80}]}`},
		{
			name: "node ports of a Restore that preserves them", service: `{type: NodePort, ports: [{port: 80, nodePort: 99}]}`,
			spec: velerov1.RestoreSpec{PreserveNodePorts: &preserve},
		},
		{
			name: "node ports of a Restore that does not", service: `{type: NodePort, ports: [{port: 80, nodePort: 99}]}`,
			spec: velerov1.RestoreSpec{PreserveNodePorts: &random},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, nowhere(), map[string]map[string]string{"load-balancer": {"reuse": "sometimes"}})
			n.restore.Spec = tt.spec
			item := readObject(t, `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop`+tt.metadata+`}, spec: `+tt.service+`}`)
			want := item.DeepCopy()
			output, err := n.loadBalancer.Execute(n.input(item, item))
			if err != nil {
				t.Fatal(err)
			}
			if output.UpdatedItem != item {
				t.Error("the item is not the one that came")
			}
			if diff := cmp.Diff(want.Object, item.Object); diff != "" {
				t.Errorf("the item differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]line{}, warningsOf(n.logged)); diff != "" {
				t.Errorf("warnings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadBalancerRefusesWrongSettings(t *testing.T) {
	t.Parallel()
	nodePort := `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}, spec: {type: NodePort, ports: [{port: 80, nodePort: 30080}]}}`
	tests := []struct {
		name, service, action string
		data                  map[string]string
		want                  string
	}{
		{
			name: "what is neither kept nor new", service: managed, action: "load-balancer",
			data: map[string]string{"reuse": "sometimes"},
			want: `key "reuse", line 1: "sometimes": allowed are keep, new`,
		},
		{
			name: "an unknown key", service: managed, action: "load-balancer",
			data: map[string]string{"override": "true"},
			want: `key "override": unknown: allowed are keepNodePorts, nodePortRange, overrideListeners, reuse`,
		},
		{
			name: "a range without an end", service: nodePort, action: "load-balancer",
			data: map[string]string{"nodePortRange": "30000"},
			want: `key "nodePortRange", line 1: "30000": allowed is a range of ports such as 30000-32767`,
		},
		{
			name: "a range from high to low", service: nodePort, action: "load-balancer",
			data: map[string]string{"nodePortRange": "32767-30000"},
			want: `key "nodePortRange", line 1: "32767-30000": allowed is a range of ports such as 30000-32767`,
		},
		{
			name: "a port that there is not", service: nodePort, action: "load-balancer",
			data: map[string]string{"nodePortRange": "30000-70000"},
			want: `key "nodePortRange", line 1: "30000-70000": allowed is a range of ports such as 30000-32767`,
		},
		{
			name: "a rule for annotations that asks nothing", service: managed, action: "annotations",
			data: map[string]string{"rules": "- names: [web]"},
			want: `key "rules", line 1: nothing is asked: allowed are set, overwrite and remove`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, clusterOf(newAPI(t)), map[string]map[string]string{tt.action: tt.data})
			service := readObject(t, tt.service)
			_, err := n.loadBalancer.Execute(n.input(service, service))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff("ConfigMap velero/"+tt.action+", "+tt.want, err.Error()); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLoadBalancerAppliesTo(t *testing.T) {
	t.Parallel()
	got, err := newNetwork(t, nowhere(), nil).loadBalancer.AppliesTo()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(velero.ResourceSelector{IncludedResources: []string{"services"}}, got); diff != "" {
		t.Errorf("AppliesTo() differs (-want +got):\n%s", diff)
	}
}
