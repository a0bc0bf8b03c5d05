// A Vulkan layer that writes down what the driver's compiler made of every compute pipeline: a JSON object a pipeline in
// $KERNELS_DIR/pipelines.jsonl, and beside it MODULE.spv and MODULE.REPRESENTATION.txt, which are its instructions. What a
// driver prints before "module N compiled" is of that one. And it lets programs go on whose device executes nothing: a semaphore that was waited for has the value waited for.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vk_layer.h>
#include <vulkan/vulkan.h>

static PFN_vkGetInstanceProcAddr instance_next;
static PFN_vkGetDeviceProcAddr device_next;
static VkInstance instance;

// Functions of the next layer or the driver that are called here.
#define NEXT(name) static PFN_##name next_##name
NEXT(vkCreateShaderModule);
NEXT(vkCreateComputePipelines);
NEXT(vkGetPipelineExecutablePropertiesKHR);
NEXT(vkGetPipelineExecutableStatisticsKHR);
NEXT(vkGetPipelineExecutableInternalRepresentationsKHR);
NEXT(vkWaitSemaphores);
NEXT(vkGetSemaphoreCounterValue);

// Everything below is changed under this lock: programs make pipelines in several threads.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int modules_made;
static struct module {
    VkShaderModule handle;
    int number;
    struct module *rest;
} *modules;
static struct semaphore {
    VkSemaphore handle;
    uint64_t waited_for;
    struct semaphore *rest;
} *semaphores;

static FILE *open_file(int module, const char *kind, const char *mode) {
    char path[1024];
    if (module < 0)
        snprintf(path, sizeof path, "%s/%s", getenv("KERNELS_DIR"), kind);
    else
        snprintf(path, sizeof path, "%s/%d.%s", getenv("KERNELS_DIR"), module, kind);
    FILE *file = fopen(path, mode);
    if (!file) {
        perror(path);
        exit(1);
    }
    return file;
}

static VkResult VKAPI_CALL create_shader_module(VkDevice device, const VkShaderModuleCreateInfo *info,
                                                const VkAllocationCallbacks *allocator, VkShaderModule *out) {
    VkResult result = next_vkCreateShaderModule(device, info, allocator, out);
    if (result != VK_SUCCESS)
        return result;
    struct module *module = malloc(sizeof *module);
    pthread_mutex_lock(&lock);
    *module = (struct module){*out, modules_made++, modules};
    modules = module;
    FILE *file = open_file(module->number, "spv", "wb");
    fwrite(info->pCode, 1, info->codeSize, file);
    fclose(file);
    pthread_mutex_unlock(&lock);
    return result;
}

static void write_value(FILE *file, const VkPipelineExecutableStatisticKHR *statistic) {
    const VkPipelineExecutableStatisticValueKHR *value = &statistic->value;
    switch (statistic->format) {
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR: fprintf(file, "%u", value->b32); break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR: fprintf(file, "%lld", (long long)value->i64); break;
    case VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR: fprintf(file, "%llu", (unsigned long long)value->u64); break;
    default: fprintf(file, "%f", value->f64);
    }
}

// Room for `count` structures of a type, each with its sType set.
#define ROOM(type, s_type, count)                                                                                              \
    calloc(count, sizeof(type));                                                                                               \
    for (uint32_t i_ = 0; i_ < count; i_++)                                                                                    \
    list[i_].sType = s_type

static void write_statistics(FILE *file, VkDevice device, const VkPipelineExecutableInfoKHR *info) {
    uint32_t count = 0;
    next_vkGetPipelineExecutableStatisticsKHR(device, info, &count, NULL);
    VkPipelineExecutableStatisticKHR *list =
        ROOM(VkPipelineExecutableStatisticKHR, VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR, count);
    next_vkGetPipelineExecutableStatisticsKHR(device, info, &count, list);
    for (uint32_t i = 0; i < count; i++) {
        fprintf(file, ", \"%s\": ", list[i].name);
        write_value(file, &list[i]);
    }
    free(list);
}

static void write_representations(int module, VkDevice device, const VkPipelineExecutableInfoKHR *info) {
    uint32_t count = 0;
    next_vkGetPipelineExecutableInternalRepresentationsKHR(device, info, &count, NULL);
    VkPipelineExecutableInternalRepresentationKHR *list = ROOM(VkPipelineExecutableInternalRepresentationKHR,
                                                               VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INTERNAL_REPRESENTATION_KHR, count);
    // The first call tells the sizes, the second one fills.
    next_vkGetPipelineExecutableInternalRepresentationsKHR(device, info, &count, list);
    for (uint32_t i = 0; i < count; i++)
        list[i].pData = calloc(1, list[i].dataSize + 1);
    next_vkGetPipelineExecutableInternalRepresentationsKHR(device, info, &count, list);
    for (uint32_t i = 0; i < count; i++) {
        char kind[VK_MAX_DESCRIPTION_SIZE + 8];
        snprintf(kind, sizeof kind, "%s.txt", list[i].name);
        for (char *c = kind; *c; c++)
            if (*c == ' ' || *c == '/')
                *c = '_';
        FILE *file = open_file(module, kind, "wb");
        fputs(list[i].pData, file);
        fclose(file);
        free(list[i].pData);
    }
    free(list);
}

static void describe(VkDevice device, VkPipeline pipeline, VkShaderModule shader) {
    struct module *module = modules;
    while (module && module->handle != shader)
        module = module->rest;
    if (!module)
        return;
    VkPipelineInfoKHR of_pipeline = {VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR, NULL, pipeline};
    VkPipelineExecutablePropertiesKHR properties = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR};
    uint32_t one = 1;  // A compute pipeline has one executable.
    next_vkGetPipelineExecutablePropertiesKHR(device, &of_pipeline, &one, &properties);
    VkPipelineExecutableInfoKHR info = {VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR, NULL, pipeline, 0};
    FILE *file = open_file(-1, "pipelines.jsonl", "a");
    fprintf(file, "{\"module\": %d, \"subgroup\": %u", module->number, properties.subgroupSize);
    write_statistics(file, device, &info);
    fprintf(file, "}\n");
    fclose(file);
    write_representations(module->number, device, &info);
    printf("module %d compiled\n", module->number);
}

static VkResult VKAPI_CALL create_compute_pipelines(VkDevice device, VkPipelineCache cache, uint32_t count,
                                                    const VkComputePipelineCreateInfo *infos,
                                                    const VkAllocationCallbacks *allocator, VkPipeline *out) {
    VkComputePipelineCreateInfo *copies = calloc(count, sizeof *copies);
    for (uint32_t i = 0; i < count; i++) {
        copies[i] = infos[i];
        copies[i].flags |= VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR |
                           VK_PIPELINE_CREATE_CAPTURE_INTERNAL_REPRESENTATIONS_BIT_KHR;
    }
    VkResult result = next_vkCreateComputePipelines(device, VK_NULL_HANDLE, count, copies, allocator, out);
    free(copies);
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; result == VK_SUCCESS && i < count; i++)
        describe(device, out[i], infos[i].stage.module);
    pthread_mutex_unlock(&lock);
    return result;
}

static VkResult VKAPI_CALL wait_semaphores(VkDevice device, const VkSemaphoreWaitInfo *info, uint64_t timeout) {
    VkResult result = next_vkWaitSemaphores(device, info, timeout);
    pthread_mutex_lock(&lock);
    for (uint32_t i = 0; result == VK_SUCCESS && i < info->semaphoreCount; i++) {
        struct semaphore *semaphore = semaphores;
        while (semaphore && semaphore->handle != info->pSemaphores[i])
            semaphore = semaphore->rest;
        if (!semaphore) {
            semaphore = malloc(sizeof *semaphore);
            *semaphore = (struct semaphore){info->pSemaphores[i], 0, semaphores};
            semaphores = semaphore;
        }
        if (semaphore->waited_for < info->pValues[i])
            semaphore->waited_for = info->pValues[i];
    }
    pthread_mutex_unlock(&lock);
    return result;
}

static VkResult VKAPI_CALL get_semaphore_counter_value(VkDevice device, VkSemaphore handle, uint64_t *value) {
    VkResult result = next_vkGetSemaphoreCounterValue(device, handle, value);
    pthread_mutex_lock(&lock);
    for (struct semaphore *semaphore = semaphores; semaphore; semaphore = semaphore->rest)
        if (semaphore->handle == handle && *value < semaphore->waited_for)
            *value = semaphore->waited_for;
    pthread_mutex_unlock(&lock);
    return result;
}

// The loader's description of the next layer, which each layer moves on by one.
#define NEXT_LAYER(type, s_type, info)                                                                                         \
    (type *)(info)->pNext;                                                                                                     \
    while (!(link->sType == s_type && link->function == VK_LAYER_LINK_INFO))                                                   \
    link = (type *)link->pNext

static VkResult VKAPI_CALL create_instance(const VkInstanceCreateInfo *info, const VkAllocationCallbacks *allocator,
                                           VkInstance *out) {
    VkLayerInstanceCreateInfo *link =
        NEXT_LAYER(VkLayerInstanceCreateInfo, VK_STRUCTURE_TYPE_LOADER_INSTANCE_CREATE_INFO, info);
    instance_next = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    PFN_vkCreateInstance create = (PFN_vkCreateInstance)instance_next(NULL, "vkCreateInstance");
    VkResult result = create(info, allocator, out);
    if (result == VK_SUCCESS)
        instance = *out;
    return result;
}

static VkResult VKAPI_CALL create_device(VkPhysicalDevice physical, const VkDeviceCreateInfo *info,
                                         const VkAllocationCallbacks *allocator, VkDevice *out) {
    VkLayerDeviceCreateInfo *link = NEXT_LAYER(VkLayerDeviceCreateInfo, VK_STRUCTURE_TYPE_LOADER_DEVICE_CREATE_INFO, info);
    PFN_vkGetInstanceProcAddr next = link->u.pLayerInfo->pfnNextGetInstanceProcAddr;
    device_next = link->u.pLayerInfo->pfnNextGetDeviceProcAddr;
    link->u.pLayerInfo = link->u.pLayerInfo->pNext;
    VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR feature = {
        VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR, (void *)info->pNext, VK_TRUE};
    VkDeviceCreateInfo more = *info;
    const char **extensions = malloc((more.enabledExtensionCount + 1) * sizeof *extensions);
    memcpy(extensions, more.ppEnabledExtensionNames, more.enabledExtensionCount * sizeof *extensions);
    extensions[more.enabledExtensionCount++] = VK_KHR_PIPELINE_EXECUTABLE_PROPERTIES_EXTENSION_NAME;
    more.ppEnabledExtensionNames = extensions;
    more.pNext = &feature;
    VkResult result = ((PFN_vkCreateDevice)next(instance, "vkCreateDevice"))(physical, &more, allocator, out);
    free(extensions);
    if (result == VK_SUCCESS) {
#define FIND(name) next_##name = (PFN_##name)device_next(*out, #name)
        FIND(vkCreateShaderModule);
        FIND(vkCreateComputePipelines);
        FIND(vkGetPipelineExecutablePropertiesKHR);
        FIND(vkGetPipelineExecutableStatisticsKHR);
        FIND(vkGetPipelineExecutableInternalRepresentationsKHR);
        FIND(vkWaitSemaphores);
        FIND(vkGetSemaphoreCounterValue);
    }
    return result;
}

static PFN_vkVoidFunction device_function(VkDevice device, const char *name);
static PFN_vkVoidFunction instance_function(VkInstance of, const char *name);

static PFN_vkVoidFunction own_function(const char *name) {
    const struct {
        const char *name;
        PFN_vkVoidFunction function;
    } own[] = {
        {"vkCreateInstance", (PFN_vkVoidFunction)create_instance},
        {"vkCreateDevice", (PFN_vkVoidFunction)create_device},
        {"vkGetInstanceProcAddr", (PFN_vkVoidFunction)instance_function},
        {"vkGetDeviceProcAddr", (PFN_vkVoidFunction)device_function},
        {"vkCreateShaderModule", (PFN_vkVoidFunction)create_shader_module},
        {"vkCreateComputePipelines", (PFN_vkVoidFunction)create_compute_pipelines},
        {"vkWaitSemaphores", (PFN_vkVoidFunction)wait_semaphores},
        {"vkGetSemaphoreCounterValue", (PFN_vkVoidFunction)get_semaphore_counter_value},
    };
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (strcmp(name, own[i].name) == 0)
            return own[i].function;
    return NULL;
}

static PFN_vkVoidFunction device_function(VkDevice device, const char *name) {
    PFN_vkVoidFunction own = own_function(name);
    return own ? own : device_next(device, name);
}

static PFN_vkVoidFunction instance_function(VkInstance of, const char *name) {
    PFN_vkVoidFunction own = own_function(name);
    return own ? own : instance_next(of, name);
}

VKAPI_ATTR VkResult VKAPI_CALL vkNegotiateLoaderLayerInterfaceVersion(VkNegotiateLayerInterface *version) {
    version->loaderLayerInterfaceVersion = 2;
    version->pfnGetInstanceProcAddr = instance_function;
    version->pfnGetDeviceProcAddr = device_function;
    version->pfnGetPhysicalDeviceProcAddr = NULL;
    return VK_SUCCESS;
}
