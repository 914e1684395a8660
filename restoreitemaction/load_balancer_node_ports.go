// SPDX-License-Identifier: Apache-2.0

package restoreitemaction

import (
	"context"
	"fmt"
	"slices"

	"github.com/sirupsen/logrus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/internal/settings"
)

// keepNodePorts gives a Service of type NodePort the node ports that it was backed
// up with. Where the Restore says what becomes of node ports, it stays as Velero has
// it. A port that the API server would refuse is left for it to choose: one port
// would keep the whole Service from being restored.
func (s *serviceRestore) keepNodePorts(ctx context.Context) error {
	kept := s.keptPorts()
	if s.restore.Spec.PreserveNodePorts != nil || len(kept) == 0 {
		return nil
	}
	set, _, err := s.action.settings.Read(ctx, settings.ForRestore(s.restore))
	if err != nil || !set.keepsNodePorts() {
		return err
	}
	allowed := set.nodePortRange()
	possible := make([]keptPort, 0, len(kept))
	for _, port := range kept {
		if allowed.includes(port.nodePort) {
			possible = append(possible, port)
		} else {
			s.giveUp(port).WithField("nodePortRange", allowed.String()).
				Warn("The node port is outside of the range of this cluster: another is chosen")
		}
	}
	taken := s.takenPorts(ctx, possible)
	for _, port := range possible {
		if taken[port.nodePort] {
			s.giveUp(port).Warn("The node port is taken in this cluster: another is chosen")
			continue
		}
		port.content["nodePort"] = port.nodePort
		s.log.WithField("nodePort", port.nodePort).Info("Kept the node port")
	}
	return nil
}

// giveUp leaves it to the API server to choose the node port, and returns what to
// tell the reason by.
func (s *serviceRestore) giveUp(port keptPort) logrus.FieldLogger {
	delete(port.content, "nodePort")
	return s.log.WithField("nodePort", port.nodePort)
}

// keptPort is a port of a Service whose node port is to be that of the backup.
type keptPort struct {
	portKey
	// content is the port in the Service that is restored.
	content  map[string]any
	nodePort int64
}

// portKey tells a port from the others of its Service.
type portKey struct {
	protocol corev1.Protocol
	port     int64
}

func portKeyOf(content map[string]any) portKey {
	key := portKey{protocol: corev1.ProtocolTCP}
	if protocol, ok := content["protocol"].(string); ok {
		key.protocol = corev1.Protocol(protocol)
	}
	key.port, _ = content["port"].(int64)
	return key
}

// keptPorts returns the ports of the Service that had a node port in the backup. One
// that another action has given a different node port is not among them, and none is
// where another action has made the Service one of another type.
func (s *serviceRestore) keptPorts() []keptPort {
	if serviceType(s.service) != corev1.ServiceTypeNodePort {
		return nil
	}
	backedUp := make(map[portKey]int64)
	for _, content := range mapsIn(s.fromBackup.Object["spec"], "ports") {
		backedUp[portKeyOf(content)], _ = content["nodePort"].(int64)
	}
	var kept []keptPort
	for _, content := range mapsIn(s.service.Object["spec"], "ports") {
		key := portKeyOf(content)
		nodePort := backedUp[key]
		present, _ := content["nodePort"].(int64)
		if nodePort != 0 && (present == 0 || present == nodePort) {
			kept = append(kept, keptPort{portKey: key, content: content, nodePort: nodePort})
		}
	}
	return kept
}

// takenPorts returns which of the node ports the API server would refuse, for
// another Service has them. Where it cannot be asked, that is none, with one warning
// for the restore.
func (s *serviceRestore) takenPorts(ctx context.Context, ports []keptPort) map[int64]bool {
	const unchecked = "Node ports cannot be checked: a Service is not restored if another one has its node port"
	taken, err := s.askForPorts(ctx, ports)
	if err != nil && s.action.warned.First(s.restore.UID, unchecked) {
		s.log.WithError(err).Warn(unchecked)
	}
	return taken
}

// askForPorts creates a Service with the ports in a dry run, without those that the
// API server refuses, until there are none.
func (s *serviceRestore) askForPorts(ctx context.Context, ports []keptPort) (map[int64]bool, error) {
	api, err := s.action.cluster.Client()
	if err != nil {
		return nil, err
	}
	probe := s.probe(ports)
	taken := make(map[int64]bool)
	for len(probe.Spec.Ports) > 0 {
		err := api.Create(ctx, probe.DeepCopy(), client.DryRunAll)
		if err == nil || apierrors.IsAlreadyExists(err) {
			break
		}
		index, refused := refusedPort(err, len(probe.Spec.Ports))
		if !refused {
			return taken, fmt.Errorf("creating the Service %s in a dry run: %w", client.ObjectKeyFromObject(probe), err)
		}
		// The API server gives a number to one Service, whatever the protocol (initNodePorts).
		taken[int64(probe.Spec.Ports[index].NodePort)] = true
		probe.Spec.Ports = slices.Delete(probe.Spec.Ports, index, index+1)
	}
	return taken, s.exceptOwn(ctx, api, probe, taken)
}

// probe is a Service where the restored one will be, of which no more is known than
// the ports.
func (s *serviceRestore) probe(ports []keptPort) *corev1.Service {
	probe := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: targetNamespace(s.restore, s.fromBackup.GetNamespace()), Name: s.fromBackup.GetName()},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeNodePort},
	}
	for _, port := range ports {
		probe.Spec.Ports = append(probe.Spec.Ports, corev1.ServicePort{
			Name:     fmt.Sprintf("port-%d", len(probe.Spec.Ports)),
			Protocol: port.protocol,
			Port:     int32(port.port),
			NodePort: int32(port.nodePort),
		})
	}
	return probe
}

// refusedPort returns which of the ports of a Service the API server has refused the
// node port of, and whether that is why it has refused the Service.
func refusedPort(err error, ports int) (int, bool) {
	index := -1
	if cause, ok := apierrors.StatusCause(err, metav1.CauseTypeFieldValueInvalid); ok {
		if _, err := fmt.Sscanf(cause.Field, "spec.ports[%d].nodePort", &index); err != nil {
			return 0, false
		}
	}
	return index, 0 <= index && index < ports
}

// exceptOwn removes from taken the node ports that the Service itself has, where it
// is in the cluster already: Velero compares the two then.
func (s *serviceRestore) exceptOwn(ctx context.Context, api client.Client, probe *corev1.Service, taken map[int64]bool) error {
	if len(taken) == 0 {
		return nil
	}
	present := &corev1.Service{}
	err := api.Get(ctx, client.ObjectKeyFromObject(probe), present)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the Service %s: %w", client.ObjectKeyFromObject(probe), err)
	}
	for i := range present.Spec.Ports {
		delete(taken, int64(present.Spec.Ports[i].NodePort))
	}
	return nil
}
