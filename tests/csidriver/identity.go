// SPDX-License-Identifier: Apache-2.0

package csidriver

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/container-storage-interface/spec/lib/go/csi"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"

	"github.com/alibabacloud-velero/velero-plugin-alibabacloud/tests/provisioner"
)

// identityServer says which driver serves.
type identityServer struct {
	csi.UnimplementedIdentityServer

	driver string
}

// GetPluginInfo implements csi.IdentityServer.
func (s identityServer) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: s.driver, VendorVersion: "test"}, nil
}

// GetPluginCapabilities implements csi.IdentityServer.
func (s identityServer) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	answer := &csi.GetPluginCapabilitiesResponse{}
	if s.driver == provisioner.DiskDriver {
		answer.Capabilities = []*csi.PluginCapability{{Type: &csi.PluginCapability_Service_{
			Service: &csi.PluginCapability_Service{Type: csi.PluginCapability_Service_VOLUME_ACCESSIBILITY_CONSTRAINTS},
		}}}
	}
	return answer, nil
}

// Probe implements csi.IdentityServer.
func (identityServer) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

// registrationServer tells the kubelet of a driver, as node-driver-registrar does.
type registrationServer struct {
	driver, socket string
	log            *slog.Logger
}

// GetInfo implements registration.RegistrationServer.
func (s registrationServer) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: s.driver, Endpoint: s.socket, SupportedVersions: []string{"1.0.0"},
	}, nil
}

// NotifyRegistrationStatus implements registration.RegistrationServer.
func (s registrationServer) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !status.GetPluginRegistered() {
		s.log.Error("the kubelet refuses the driver", "driver", s.driver, "error", status.GetError())
		return nil, fmt.Errorf("the kubelet refuses %s: %s", s.driver, status.GetError())
	}
	s.log.Info("registered", "driver", s.driver)
	return &registration.RegistrationStatusResponse{}, nil
}
